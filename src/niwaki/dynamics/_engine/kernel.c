/* One optimisation step of the PHOENIX field as one call: forward, loss, backward, Adam.
 *
 * Plain C with the vector extensions of GCC 12 or clang: no Python, no torch, no BLAS. The body is
 * included once per number type and vector width. All threads of a call run the same program over
 * their share of genes and meet at barriers, so results depend on the number of threads only.
 */
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define BLOCK 96    /* genes that are worked on together */
#define MOST_STAGES 4

enum { ETD2 = 2, ETD4 = 4, RK4 = 1 };
enum { PER_ETD2 = 3, PER_ETD4 = 8, PER_RK4 = 1 }; /* tables per gene and gap */

/* A weight matrix by gene: the survivors of gene j are start[j] .. start[j + 1]. */
typedef struct {
    const int64_t *start;
    const int32_t *unit;
    void *value, *grad, *first, *second; /* first and second moments may be null */
    void *dense;                         /* [gene][hidden padded], or null where sparse */
    double rate;
} Matrix;

typedef struct {
    void *value, *grad, *first, *second;
    double rate;
} Vector;

typedef struct {
    int64_t genes, hidden, method, substeps, threads;
    Matrix matrix[4]; /* weight_sum, weight_prod, output_sum, output_prod */
    Vector vector[3]; /* bias_sum, bias_prod, multiplier */
    double beta1, beta2, epsilon;
} Model;

typedef struct {
    const void *start, *other; /* [gene][lead]; other: targets, or cotangents of the ends */
    int64_t lead_start, lead_other, pairs;
    const int64_t *column; /* of every pair in start and other; null: in order */
    const int64_t *gap;    /* of every pair, sorted, as a position in step */
    const double *step;    /* distinct gaps over substeps */
    /* adam_step: from 1; 0 leaves values as they are. refresh: they changed since the last call */
    int64_t gaps, mode, adam_step, refresh;
    void *ends, *grad_start; /* [gene][pairs] */
    double *pair_loss;       /* per pair, mean over genes */
    void *work;
} Job;

/* what a call does */
enum { SOLVE = 0, PULL_BACK = 1, FIT = 2, SCORE = 3 };

typedef struct {
    int64_t count, arrived, sense;
} Meeting;

/* A static barrier: spin briefly, then give the processor away. */
static void meet(Meeting *m, int64_t threads) {
    if (threads == 1) return;
    int64_t sense = __atomic_load_n(&m->sense, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&m->arrived, 1, __ATOMIC_ACQ_REL) == threads) {
        __atomic_store_n(&m->arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&m->sense, sense + 1, __ATOMIC_RELEASE);
        return;
    }
    for (int spin = 0; __atomic_load_n(&m->sense, __ATOMIC_ACQUIRE) == sense; spin++)
        if (spin > 4000) sched_yield();
}

#if defined(__AVX512F__)
#define WIDE 16
#define ROWS 6
#elif defined(__AVX2__)
#define WIDE 8
#define ROWS 3
#else
#define WIDE 4
#define ROWS 6
#endif
/* FORMS: widths that are compiled, in vectors; the widest is that of a panel of pairs. */

#define R float
#define INTEGER int32_t
#define VL WIDE
#define FORMS 4
#define FN(name) name##_f32
#define SINGLE 1
#include "kernel_body.h"
#undef VL
#undef FN

#if WIDE == 16 /* small batches */
#define VL 8
#define FORMS 1
#define FN(name) name##_f32_narrow
#include "kernel_body.h"
#undef VL
#undef FN
#endif
#undef R
#undef INTEGER
#undef SINGLE

#define R double
#define INTEGER int64_t
#define VL (WIDE / 2)
#define FORMS 1 /* for checks */
#define FN(name) name##_f64
#define SINGLE 0
#include "kernel_body.h"

/* Instruction sets this was built for: 1 AVX2 with FMA, 2 AVX-512, 4 NEON. */
int64_t niwaki_isa(void) {
    int64_t isa = 0;
#if defined(__AVX2__)
    isa |= 1;
#endif
#if defined(__AVX512F__)
    isa |= 2;
#endif
#if defined(__ARM_NEON)
    isa |= 4;
#endif
    return isa;
}

#if WIDE == 16 /* a few pairs leave fewer lanes of narrow vectors empty */
#define NARROW(pairs) ((pairs) <= 8)
#endif

/* Bytes of work that a job needs. */
int64_t niwaki_work(const Model *m, int64_t gaps, int64_t pairs, int64_t mode, int64_t is_double) {
    if (is_double) return work_f64(m, gaps, pairs, mode);
#ifdef NARROW
    if (NARROW(pairs)) return work_f32_narrow(m, gaps, pairs, mode);
#endif
    return work_f32(m, gaps, pairs, mode);
}

/* Hidden units as dense matrices store them. */
int64_t niwaki_padded(int64_t hidden, int64_t is_double) {
    int64_t lanes = is_double ? WIDE / 2 : WIDE;
    return (hidden + lanes - 1) / lanes * lanes;
}

double niwaki_run_f32(const Model *m, const Job *job) {
#ifdef NARROW
    if (NARROW(job->pairs)) return run_f32_narrow(m, job);
#endif
    return run_f32(m, job);
}

double niwaki_run_f64(const Model *m, const Job *job) { return run_f64(m, job); }

/* Pairs of a full panel in single precision, and its products alone; for benchmarks. */
int64_t niwaki_panel(void) { return 4 * WIDE; }

void niwaki_products(const Model *m, const float *units, const float *state, float *out,
                     float *back) {
    products_f32(m, units, state, out, back);
}
