/* The engine for one number type R, in vectors of VL lanes; see kernel.c. States are [gene][lane]
 * with `width` lanes per gene, a whole number of vectors; matrices are stored by gene. */
#define V FN(vector)
#define VI FN(integers)
#define UNROLL _Pragma("GCC unroll 16")
#define LANES (FORMS * VL) /* pairs of a panel */
typedef R V __attribute__((vector_size(VL * sizeof(R)), aligned(sizeof(R)), may_alias));
typedef INTEGER VI __attribute__((vector_size(VL * sizeof(R)), aligned(sizeof(R)), may_alias));
#define AT(p) (*(V *)(p))
#define FROM(p) (*(const V *)(p))

typedef struct {
    const Model *m;
    const Job *job;
    Meeting meeting;
    R *rate, *table, *x, *xb, *bb, *ab, *nb, *rsum; /* [gene] (rate, rsum: [gene][VL]) */
    R *phi, *lg, *sav, *g;                          /* [evaluation][gene][width] */
    R *part, *unit, *back, *unit_t, *back_t, *scratch;
    double *loss, *pair;
    int64_t evaluations, stages, per, gp, hp, keep, own; /* own: of scratch, per thread */
    int64_t first, width, live;
    int kind[FORMS]; /* of a vector's gaps: 0 all equal, 1 consecutive, 2 two of them, 3 mixed */
    VI later[FORMS]; /* of two gaps, where the second applies */
    int64_t gap[LANES];
    R dt[LANES];
} FN(Shared);
#define Shared FN(Shared)

/* ------------------------------------------------------------------ elementary functions */
INLINE V FN(splat)(R a) { return (V){0} + a; }
INLINE V FN(pick)(VI m, V a, V b) { return (V)(((VI)a & m) | ((VI)b & ~m)); }
INLINE V FN(magnitude)(V a) { return FN(pick)(a < 0, -a, a); }

INLINE R FN(sum)(V v) {
#if VL == 16
    v += __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
    v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
#elif VL == 8
    v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3);
    v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5);
    v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
#elif VL == 4
    v += __builtin_shufflevector(v, v, 2, 3, 0, 1);
    v += __builtin_shufflevector(v, v, 1, 0, 3, 2);
#else
    v += __builtin_shufflevector(v, v, 1, 0);
#endif
    return v[0];
}

#if SINGLE
INLINE V FN(logarithm)(V x) { /* Cephes' polynomial; x positive and normal */
    VI bits = (VI)x, e = (bits - 0x3f3504f3) >> 23;
    V f = (V)(bits - (e << 23)) - 1.0f, k = __builtin_convertvector(e, V), q = f * f;
    V p = 7.0376836292e-2f * f - 1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f - 1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f - 1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f - 2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    return f + (p * f * q - 0.5f * q - 2.12194440e-4f * k) + 0.693359375f * k;
}

INLINE V FN(exponential)(V x) {
    VI odd = x != x;
    V low = FN(pick)(x < -87.0f, FN(splat)(-87.0f), x), big = FN(splat)(88.8f);
    V c = FN(pick)(low > big, big, low), t = c * 1.44269504f;
    VI k = __builtin_convertvector(t + FN(pick)(t < 0, FN(splat)(-0.5f), FN(splat)(0.5f)), VI);
    V n = __builtin_convertvector(k, V), r = (c - n * 0.693359375f) + n * 2.12194440e-4f;
    V p = 1.9875691500e-4f * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    VI half = k >> 1; /* two factors, so that 2^128 is infinite and nothing wraps */
    V y = (p * r * r + r + 1.0f) * (V)((half + 127) << 23) * (V)((k - half + 127) << 23);
    return FN(pick)(odd, x, y);
}
#else
INLINE V FN(logarithm)(V x) {
    for (int i = 0; i < VL; i++) x[i] = log(x[i]);
    return x;
}
INLINE V FN(exponential)(V x) {
    for (int i = 0; i < VL; i++) x[i] = exp(x[i]);
    return x;
}
#endif

/* phi_1 .. phi_3 at -z: a series below 1, the recurrence above (krogstad2005, section 2). */
INLINE void FN(phis)(V z, V *one, V *two, V *three) {
    VI near = z < 1;
    V x = -FN(pick)(near, z, FN(splat)(1)), b = FN(pick)(near, FN(splat)(1), z), s = {0};
    R last = 1;
    const int terms = SINGLE ? 9 : 16;
    R inverse[16];
    for (int j = 0; j < terms; j++) {
        last = j ? last / (4 + j) : (R)1 / 24;
        inverse[j] = last;
    }
    for (int j = terms - 1; j >= 0; j--) s = s * x + inverse[j];
    V c = s * x + (R)1 / 6, d = c * x + (R)0.5, e = d * x + 1;
    V f = (1 - FN(exponential)(-b)) / b, g = (1 - f) / b, h = ((R)0.5 - g) / b;
    *one = FN(pick)(near, e, f), *two = FN(pick)(near, d, g), *three = FN(pick)(near, c, h);
}

static void FN(tables)(Shared *s, int64_t low, int64_t high) {
    const Job *job = s->job;
    const R *v = s->m->vector[2].value;
    R dt[VL];
    for (int64_t j = low; j < high; j++) {
        R rate = v[j] > 0 || v[j] != v[j] ? v[j] : 0, *t = s->table + j * s->per * s->gp;
        for (int64_t g = 0; g < job->gaps; g += VL) {
            for (int i = 0; i < VL; i++) dt[i] = g + i < job->gaps ? (R)job->step[g + i] : 0;
            V z = FROM(dt) * rate, p1, p2, p3, h1, h2, h3;
            R *o = t + g;
            if (s->m->method == RK4) {
                AT(o) = z;
                continue;
            }
            FN(phis)(z, &p1, &p2, &p3);
            if (s->m->method == ETD2) {
                AT(o) = z * p1, AT(o + s->gp) = z * p2, AT(o + 2 * s->gp) = p1 - p2;
                continue;
            }
            FN(phis)(z * (R)0.5, &h1, &h2, &h3);
            AT(o) = z * (R)0.5 * h1, AT(o + s->gp) = z * h2, AT(o + 2 * s->gp) = z * p1;
            AT(o + 3 * s->gp) = z * p2, AT(o + 4 * s->gp) = z * p3;
            AT(o + 5 * s->gp) = h1 - h2; /* d(z phi_k)/dz = phi_(k-1) - (k-1) phi_k, and so on */
            AT(o + 6 * s->gp) = p1 - p2, AT(o + 7 * s->gp) = p2 - 2 * p3;
        }
    }
}

INLINE V FN(fetch)(const Shared *s, const R *table, int c) {
    const int64_t *gap = s->gap + c * VL;
    if (s->kind[c] == 0) return FN(splat)(table[gap[0]]);
    if (s->kind[c] == 1) return FROM(table + gap[0]);
    if (s->kind[c] == 2)
        return FN(pick)(s->later[c], FN(splat)(table[gap[VL - 1]]), FN(splat)(table[gap[0]]));
    V v;
    for (int i = 0; i < VL; i++) v[i] = table[gap[i]];
    return v;
}

/* ------------------------------------------------------------------ products */
/* out[i][:] (+)= sum_k a[i ar + k ak] x[k][:] for `mr` rows and `nv` vectors. */
INLINE void FN(tile)(const R *a, int64_t ar, int64_t ak, const R *x, int64_t lx, int64_t inner,
                     R *out, int64_t lo, int add, const int mr, const int nv) {
    V acc[16][4];
    UNROLL for (int i = 0; i < mr; i++)
        UNROLL for (int c = 0; c < nv; c++) acc[i][c] = add ? FROM(out + i * lo + c * VL) : (V){0};
    for (int64_t k = 0; k < inner; k++) {
        V b[4];
        UNROLL for (int c = 0; c < nv; c++) b[c] = FROM(x + k * lx + c * VL);
        UNROLL for (int i = 0; i < mr; i++) {
            R w = a[i * ar + k * ak];
            UNROLL for (int c = 0; c < nv; c++) acc[i][c] += w * b[c];
        }
    }
    UNROLL for (int i = 0; i < mr; i++)
        UNROLL for (int c = 0; c < nv; c++) AT(out + i * lo + c * VL) = acc[i][c];
}

#define PRODUCT (const R *a, int64_t ar, int64_t ak, const R *x, int64_t lx, int64_t inner, \
                 R *out, int64_t lo, int64_t rows, int add
INLINE void FN(product_of)PRODUCT, const int nv) {
    const int most = nv > 2 ? (ROWS * 4) / nv : nv == 2 ? ROWS * 2 : (ROWS == 3 ? 8 : 12);
    int64_t i = 0;
    for (; i + most <= rows; i += most)
        FN(tile)(a + i * ar, ar, ak, x, lx, inner, out + i * lo, lo, add, most, nv);
    for (; i + 4 <= rows; i += 4)
        FN(tile)(a + i * ar, ar, ak, x, lx, inner, out + i * lo, lo, add, 4, nv);
    for (; i < rows; i++)
        FN(tile)(a + i * ar, ar, ak, x, lx, inner, out + i * lo, lo, add, 1, nv);
}

/* One compiled form per width; none of them is repeated where it is used. */
#define COMPILED(name, width) \
    static __attribute__((noinline)) void name PRODUCT) { \
        FN(product_of)(a, ar, ak, x, lx, inner, out, lo, rows, add, width); \
    }
COMPILED(FN(product1), 1)
COMPILED(FN(product2), 2)
COMPILED(FN(product3), 3)
COMPILED(FN(product4), 4)
#undef COMPILED

static void FN(product)PRODUCT, int nv) {
    (nv == 4 ? FN(product4) : nv == 3 ? FN(product3) : nv == 2 ? FN(product2) : FN(product1))(
        a, ar, ak, x, lx, inner, out, lo, rows, add);
}
#undef PRODUCT

/* out[row] (+)= sum over survivors of row: value * units[unit]; with grad: += <state[row], ...> */
INLINE void FN(collect)(const Shared *s, const Matrix *w, const R *units, const R *state,
                        R *out, int64_t low, int64_t high, int add, const int nv) {
    const int64_t width = nv * VL, hp = s->hp;
    if (w->dense) {
        FN(product)((R *)w->dense + low * hp, hp, 1, units, width, s->m->hidden, out, width,
                    high - low, add, nv);
        return;
    }
    const R *value = w->value;
    R *grad = w->grad;
    for (int64_t j = low; j < high; j++, out += width) {
        V acc[FORMS], here[FORMS];
        UNROLL for (int c = 0; c < nv; c++) {
            acc[c] = add ? FROM(out + c * VL) : (V){0};
            here[c] = state ? FROM(state + (j - low) * width + c * VL) : (V){0};
        }
        for (int64_t e = w->start[j]; e < w->start[j + 1]; e++) {
            const R *u = units + w->unit[e] * width, a = value[e];
            V dot = {0};
            UNROLL for (int c = 0; c < nv; c++) {
                V b = FROM(u + c * VL);
                acc[c] += a * b;
                if (state) dot += here[c] * b;
            }
            if (state) grad[e] += FN(sum)(dot);
        }
        UNROLL for (int c = 0; c < nv; c++) AT(out + c * VL) = acc[c];
    }
}

/* units[unit] += value * state[row] over survivors; with values: grad += <state[row], values>. */
INLINE void FN(spread)(const Shared *s, const Matrix *w, const R *state, const R *values,
                       R *units, int64_t low, int64_t high, const int nv) {
    const int64_t width = nv * VL, hp = s->hp;
    if (w->dense) {
        FN(product)((R *)w->dense + low * hp, 1, hp, state, width, high - low, units, width,
                    s->m->hidden, 1, nv);
        return;
    }
    const R *value = w->value;
    R *grad = w->grad;
    for (int64_t j = low; j < high; j++, state += width) {
        V here[FORMS];
        UNROLL for (int c = 0; c < nv; c++) here[c] = FROM(state + c * VL);
        for (int64_t e = w->start[j]; e < w->start[j + 1]; e++) {
            const int64_t at = w->unit[e] * width;
            R *u = units + at, a = value[e];
            UNROLL for (int c = 0; c < nv; c++) AT(u + c * VL) += a * here[c];
            if (values) {
                V dot = {0};
                UNROLL for (int c = 0; c < nv; c++) dot += here[c] * FROM(values + at + c * VL);
                grad[e] += FN(sum)(dot);
            }
        }
    }
}

#if FORMS == 4
/* One matrix alone, full panel: out = W units, back = W' state, grad = <state, units>. */
static void FN(products)(const Model *m, const R *units, const R *state, R *out, R *back) {
    const Matrix *w = m->matrix;
    Shared s = {.m = m, .hp = (m->hidden + VL - 1) / VL * VL};
    memset(back, 0, m->hidden * LANES * sizeof(R));
    memset(w->grad, 0, w->start[m->genes] * sizeof(R));
    FN(collect)(&s, w, units, 0, out, 0, m->genes, 0, 4);
    FN(spread)(&s, w, state, units, back, 0, m->genes, 4);
}
#endif

/* ------------------------------------------------------------------ one stage, one vector */
#define SAV(k) (sav + (k) * plane)
#define TAB(k) FN(fetch)(s, t + (k) * s->gp, c)

/* Take the drive of a stage, return the state of the next; the new step's at the last stage. */
INLINE V FN(advance)(const Shared *s, int stage, const R *t, R *x, R *sav, int64_t plane, V drive,
                     int c) {
    V here = FROM(x);
    if (s->m->method == RK4) {
        V z = TAB(0);
        V k = drive - here;
        if (stage) k -= z * FROM(SAV(stage - 1)) * (R)(stage == 3 ? 1 : 0.5);
        AT(SAV(stage)) = k;
        if (stage < 3) return here + z * k * (R)(stage == 2 ? 1 : 0.5);
        V sum = FROM(SAV(0)) + 2 * (FROM(SAV(1)) + FROM(SAV(2))) + k;
        return AT(x) = here + z * sum * (R)(1.0 / 6);
    }
    if (stage == 0) {
        V u = drive - here;
        AT(sav) = u;
        return here + TAB(0) * u;
    }
    V u = FROM(sav), d = drive - (here + u);
    AT(SAV(stage)) = d;
    if (s->m->method == ETD2) return AT(x) = here + TAB(0) * u + TAB(1) * d;
    if (stage == 1) return here + TAB(0) * u + TAB(1) * d;
    V b = here + TAB(2) * u;
    if (stage == 2) return b + 2 * TAB(3) * d;
    V p2 = TAB(3), p3 = TAB(4), both = FROM(SAV(1)) + FROM(SAV(2));
    return AT(x) = b + (2 * p2 - 4 * p3) * both + (4 * p3 - p2) * d;
}

/* Adjoint of `advance` at a stage: `y` is the adjoint of the state it returned. Returns that of
 * the drive; adds to the adjoint of z. At stage 0, xb becomes what the old state gets besides. */
INLINE V FN(retreat)(const Shared *s, int stage, const R *t, R *xb, R *bb, R *ab, R *nb,
                     const R *sav, int64_t plane, V y, V *zbar, int c) {
    V g, u;
    if (s->m->method == RK4) {
        V z = TAB(0), share, end = stage == 3 ? y : FROM(xb);
        if (stage == 3) {
            AT(xb) = y, AT(bb) = y;
            share = y * (R)(1.0 / 6);
        } else {
            y -= FROM(nb); /* the state also enters its own rate */
            AT(bb) += y;
            share = end * (R)(stage ? 1.0 / 3 : 1.0 / 6) + y * (R)(stage == 2 ? 1 : 0.5);
        }
        *zbar += share * FROM(SAV(stage));
        g = z * share;
        AT(nb) = g;
        if (stage == 0) AT(xb) = FROM(bb) - g;
        return g;
    }
    if (s->m->method == ETD2) {
        V f = TAB(0);
        if (stage == 1) {
            AT(xb) = y;
            g = TAB(1) * y;
            AT(nb) = -g;
            *zbar += y * FROM(SAV(1)) * TAB(2);
            return g;
        }
        V a = FROM(xb) + y;
        u = FROM(sav);
        *zbar += a * u * (1 - f);
        AT(xb) = (1 - f) * a;
        return FROM(nb) + f * a;
    }
    if (stage == 3) {
        V p2 = TAB(3), p3 = TAB(4), p2d = TAB(6), p3d = TAB(7), d4 = FROM(SAV(3));
        AT(xb) = y, AT(bb) = y;
        g = (4 * p3 - p2) * y;
        AT(nb) = -g;
        *zbar += y * ((FROM(SAV(1)) + FROM(SAV(2))) * (2 * p2d - 4 * p3d) + d4 * (4 * p3d - p2d));
        return g;
    }
    if (stage == 2) {
        V p2 = TAB(3), end = FROM(xb);
        AT(bb) += y;
        g = (2 * p2 - 4 * TAB(4)) * end + 2 * p2 * y;
        AT(nb) -= g;
        *zbar += 2 * y * FROM(SAV(2)) * TAB(6);
        return g;
    }
    if (stage == 1) {
        AT(ab) = y;
        g = (2 * TAB(3) - 4 * TAB(4)) * FROM(xb) + TAB(1) * y;
        AT(nb) -= g;
        *zbar += y * FROM(SAV(1)) * TAB(5);
        return g;
    }
    V f = TAB(2), half = TAB(0), a = FROM(ab) + y, b = FROM(bb);
    u = FROM(sav);
    *zbar += u * (b * (1 - f) + a * (1 - half) * (R)0.5);
    AT(xb) = (1 - f) * b + (1 - half) * a;
    return FROM(nb) + f * b + half * a;
}

/* ------------------------------------------------------------------ sweeps over genes */
INLINE void FN(forward)(Shared *s, int64_t tid, int64_t i, int64_t low, int64_t high,
                        const int nv) {
    const Model *m = s->m;
    const int64_t width = nv * VL, plane = m->genes * width, stages = s->stages;
    const int64_t at = s->keep ? i : 0, before = i ? (i - 1) / stages * stages : 0;
    R *drive = s->scratch + tid * s->own;
    R *part = s->part + tid * 2 * m->hidden * LANES;
    const R *units = s->unit + (s->keep ? i - 1 : 0) * 2 * m->hidden * width;
    if (i < s->evaluations) memset(part, 0, 2 * m->hidden * width * sizeof(R));
    for (int64_t b = low; b < high; b += BLOCK) {
        const int64_t end = b + BLOCK < high ? b + BLOCK : high;
        R *phi = s->phi + at * plane + b * width, *lg = s->lg + at * plane + b * width;
        if (i) {
            FN(collect)(s, m->matrix + 2, units, 0, drive, b, end, 0, nv);
            FN(collect)(s, m->matrix + 3, units + m->hidden * width, 0, drive, b, end, 1, nv);
        }
        for (int64_t j = b; j < end; j++) {
            const R *t = s->table + j * s->per * s->gp;
            R *sav = s->sav + (s->keep ? before : 0) * plane + j * width;
            UNROLL for (int c = 0; c < nv; c++) {
                R *x = s->x + j * width + c * VL;
                const int64_t o = (j - b) * width + c * VL;
                V y = i ? FN(advance)(s, (i - 1) % stages, t, x, sav + c * VL, plane,
                                      FROM(drive + o), c)
                        : FROM(x);
                if (i == s->evaluations) continue;
                V shifted = y - (R)0.5, scale = 1 / (1 + FN(magnitude)(shifted));
                AT(phi + o) = shifted * scale;
                AT(lg + o) = FN(logarithm)(FN(pick)(shifted < 0, scale, 2 - scale));
            }
        }
        if (i < s->evaluations) {
            FN(spread)(s, m->matrix, phi, 0, part, b, end, nv);
            FN(spread)(s, m->matrix + 1, lg, 0, part + m->hidden * width, b, end, nv);
        }
    }
}

/* Add up what the threads found for every hidden unit, and apply bias and exponential. */
INLINE void FN(gather)(Shared *s, int64_t tid, int64_t i, const int nv) {
    const Model *m = s->m;
    const int64_t h = m->hidden, width = nv * VL, depth = s->evaluations * width;
    R *unit = s->unit + (s->keep ? i : 0) * 2 * h * width;
    const int64_t low = tid * h / m->threads, high = (tid + 1) * h / m->threads;
    for (int branch = 0; branch < 2; branch++)
        for (int64_t k = low; k < high; k++) {
            const R bias = ((R *)m->vector[branch].value)[k];
            UNROLL for (int c = 0; c < nv; c++) {
                const int64_t o = (branch * h + k) * width + c * VL;
                V v = FN(splat)(bias);
                for (int64_t p = 0; p < m->threads; p++)
                    v += FROM(s->part + p * 2 * h * LANES + o);
                v = branch ? FN(exponential)(v) : v;
                AT(unit + o) = v;
                if (s->keep && m->matrix[2 + branch].dense) {
                    R *to = s->unit_t + (branch * depth + i * width + c * VL) * s->hp + k;
                    for (int l = 0; l < VL; l++) to[l * s->hp] = v[l];
                }
            }
        }
}

INLINE void FN(backward)(Shared *s, int64_t tid, int64_t i, int64_t low, int64_t high,
                         const int nv) {
    const Model *m = s->m;
    const int64_t width = nv * VL, plane = m->genes * width, stages = s->stages, h = m->hidden;
    R *scratch = s->scratch + tid * s->own, *sums = scratch;
    R *prods = scratch + BLOCK * LANES, *local = scratch + 2 * BLOCK * LANES;
    R *part = s->part + tid * 2 * h * LANES;
    const int64_t e = i - 1, stage = e % stages;
    const R *units = s->unit + e * 2 * h * width;
    const int stored = m->matrix[2].dense || m->matrix[3].dense;
    if (i) memset(part, 0, 2 * h * width * sizeof(R));
    for (int64_t b = low; b < high; b += BLOCK) {
        const int64_t end = b + BLOCK < high ? b + BLOCK : high;
        R *g = stored && i ? s->g + e * plane + b * width : local;
        const R *phi = s->phi + i * plane + b * width, *lg = s->lg + i * plane + b * width;
        if (i < s->evaluations) {
            FN(collect)(s, m->matrix, s->back, phi, sums, b, end, 0, nv);
            FN(collect)(s, m->matrix + 1, s->back + h * width, lg, prods, b, end, 0, nv);
        }
        for (int64_t j = b; j < end; j++) {
            const R *t = s->table + j * s->per * s->gp;
            const R *sav = s->sav + e / stages * stages * plane + j * width;
            V rate = {0};
            UNROLL for (int c = 0; c < nv; c++) {
                const int64_t o = (j - b) * width + c * VL, q = j * width + c * VL;
                V y = {0}, zbar = {0};
                if (i < s->evaluations) {
                    V p = FROM(phi + o), scale = 1 - FN(magnitude)(p);
                    V base = FN(pick)(p < 0, scale, 2 - scale);
                    y = (FROM(sums + o) + FROM(prods + o) / base) * scale * scale;
                }
                if (i == s->evaluations || (i && stage == stages - 1) || i == 0) {
                    y += FROM(s->xb + q); /* what the step that follows handed back */
                    if (i == 0) AT(s->xb + q) = y;
                }
                if (!i) continue;
                AT(g + o) = FN(retreat)(s, stage, t, s->xb + q, s->bb + q, s->ab + q, s->nb + q,
                                        sav + c * VL, plane, y, &zbar, c);
                rate += zbar * FROM(s->dt + c * VL);
            }
            if (i) AT(s->rsum + j * VL) += rate;
        }
        if (i) {
            FN(spread)(s, m->matrix + 2, g, units, part, b, end, nv);
            FN(spread)(s, m->matrix + 3, g, units + h * width, part + h * width, b, end, nv);
        }
    }
}

/* Add up the adjoints of the hidden units of evaluation e; biases get theirs. */
INLINE void FN(gather_back)(Shared *s, int64_t tid, int64_t e, const int nv) {
    const Model *m = s->m;
    const int64_t h = m->hidden, width = nv * VL, depth = s->evaluations * width;
    const R *unit = s->unit + e * 2 * h * width;
    const int64_t low = tid * h / m->threads, high = (tid + 1) * h / m->threads;
    for (int branch = 0; branch < 2; branch++)
        for (int64_t k = low; k < high; k++) {
            V total = {0};
            UNROLL for (int c = 0; c < nv; c++) {
                const int64_t o = (branch * h + k) * width + c * VL;
                V v = {0};
                for (int64_t p = 0; p < m->threads; p++)
                    v += FROM(s->part + p * 2 * h * LANES + o);
                if (branch) v *= FROM(unit + o);
                AT(s->back + o) = v;
                total += v;
                if (m->matrix[branch].dense) {
                    R *to = s->back_t + (branch * depth + e * width + c * VL) * s->hp + k;
                    for (int l = 0; l < VL; l++) to[l * s->hp] = v[l];
                }
            }
            ((R *)m->vector[branch].grad)[k] += FN(sum)(total);
        }
}

/* grad[row] += sum over evaluations and lanes of state[row][lane] units_t[lane][:], survivors. */
static void FN(dense_gradient)(Shared *s, int which, const R *state, const R *units_t,
                               R *scratch, int64_t low, int64_t high) {
    const Matrix *w = s->m->matrix + which;
    const int64_t width = s->width, plane = s->m->genes * width, hp = s->hp;
    R *grad = w->grad;
    for (int64_t j = low; j < high; j += 12) {
        const int64_t rows = j + 12 < high ? 12 : high - j;
        for (int64_t e = 0; e < s->evaluations; e++) {
            const R *a = state + e * plane + j * width, *x = units_t + e * width * hp;
            for (int64_t c = 0; c < hp; c += 4 * VL) {
                const int64_t left = (hp - c) / VL;
                FN(product)(a, width, 1, x + c, hp, width, scratch + c, hp, rows, e > 0,
                            left < 4 ? (int)left : 4);
            }
        }
        for (int64_t i = 0; i < rows; i++) {
            const int64_t from = w->start[j + i], count = w->start[j + i + 1] - from;
            R *to = grad + from;
            const R *row = scratch + i * hp;
            if (count == s->m->hidden)
                for (int64_t k = 0; k < count; k++) to[k] += row[k];
            else
                for (int64_t k = 0; k < count; k++) to[k] += row[w->unit[from + k]];
        }
    }
}

/* ------------------------------------------------------------------ one panel of pairs */
/* Copy states in; returns nothing. `x` gets the start, padding lanes stay harmless. */
static void FN(load)(Shared *s, int64_t low, int64_t high) {
    const Job *job = s->job;
    const R *start = job->start;
    for (int64_t j = low; j < high; j++)
        for (int64_t p = 0; p < s->width; p++) {
            const int64_t at = s->first + p;
            s->x[j * s->width + p] =
                p < s->live ? start[j * job->lead_start + (job->column ? job->column[at] : at)]
                            : (R)0.5;
        }
}

/* Compare the ends, or take their cotangents; leaves the adjoint of the ends in xb. */
static void FN(judge)(Shared *s, int64_t tid, int64_t low, int64_t high) {
    const Job *job = s->job;
    const R *other = job->other, scale = (R)(2.0 / ((double)s->m->genes * (double)job->pairs));
    double *pair = s->pair + tid * LANES, total = 0;
    memset(pair, 0, LANES * sizeof(double));
    for (int64_t j = low; j < high; j++) {
        R *x = s->x + j * s->width, *xb = s->xb + j * s->width;
        double row = 0;
        for (int64_t p = 0; p < s->live; p++) {
            const int64_t at = s->first + p;
            const int64_t from = job->column ? job->column[at] : at;
            if (job->ends) ((R *)job->ends)[j * job->pairs + from] = x[p];
            if (job->mode == SOLVE) continue;
            const R value = other[j * job->lead_other + from];
            const R off = x[p] - value;
            if (job->mode == PULL_BACK) {
                xb[p] = value;
                continue;
            }
            row += (double)off * (double)off;
            pair[p] += (double)off * (double)off;
            xb[p] = scale * off;
        }
        for (int64_t p = s->live; p < s->width; p++) xb[p] = 0;
        total += row;
    }
    s->loss[tid * 8] += total;
}

INLINE void FN(panel)(Shared *s, int64_t tid, const int nv) {
    const Model *m = s->m;
    const Job *job = s->job;
    const int64_t threads = m->threads;
    const int64_t low = tid * m->genes / threads, high = (tid + 1) * m->genes / threads;
    FN(load)(s, low, high);
    for (int64_t i = 0; i <= s->evaluations; i++) {
        FN(forward)(s, tid, i, low, high, nv);
        if (i == s->evaluations) break;
        meet(&s->meeting, threads);
        FN(gather)(s, tid, i, nv);
        meet(&s->meeting, threads);
    }
    FN(judge)(s, tid, low, high);
    if (job->mode != PULL_BACK && job->mode != FIT) return;
    for (int64_t i = s->evaluations; i >= 0; i--) {
        FN(backward)(s, tid, i, low, high, nv);
        if (i == 0) break;
        meet(&s->meeting, threads);
        FN(gather_back)(s, tid, i - 1, nv);
        meet(&s->meeting, threads);
    }
    if (job->grad_start)
        for (int64_t j = low; j < high; j++)
            for (int64_t p = 0; p < s->live; p++) {
                const int64_t at = s->first + p, to = job->column ? job->column[at] : at;
                ((R *)job->grad_start)[j * job->pairs + to] = s->xb[j * s->width + p];
            }
    R *rows = s->scratch + tid * s->own; /* its own: other threads may still sweep */
    const int64_t depth = s->evaluations * s->width * s->hp;
    if (m->matrix[0].dense) FN(dense_gradient)(s, 0, s->phi, s->back_t, rows, low, high);
    if (m->matrix[1].dense) FN(dense_gradient)(s, 1, s->lg, s->back_t + depth, rows, low, high);
    if (m->matrix[2].dense) FN(dense_gradient)(s, 2, s->g, s->unit_t, rows, low, high);
    if (m->matrix[3].dense) FN(dense_gradient)(s, 3, s->g, s->unit_t + depth, rows, low, high);
}

static __attribute__((noinline)) void FN(panel1)(Shared *s, int64_t t) { FN(panel)(s, t, 1); }
#if FORMS == 4
static __attribute__((noinline)) void FN(panel2)(Shared *s, int64_t t) { FN(panel)(s, t, 2); }
static __attribute__((noinline)) void FN(panel3)(Shared *s, int64_t t) { FN(panel)(s, t, 3); }
static __attribute__((noinline)) void FN(panel4)(Shared *s, int64_t t) { FN(panel)(s, t, 4); }
#endif

static void FN(next_panel)(Shared *s, int64_t first) {
    const Job *job = s->job;
    const int64_t left = job->pairs - first;
    s->first = first, s->live = left < LANES ? left : LANES;
    s->width = (s->live + VL - 1) / VL * VL;
    for (int64_t p = 0; p < s->width; p++) {
        s->gap[p] = job->gap[first + (p < s->live ? p : s->live - 1)];
        s->dt[p] = (R)job->step[s->gap[p]];
    }
    for (int64_t c = 0; c < s->width / VL; c++) {
        const int64_t *gap = s->gap + c * VL;
        int same = 1, next = 1, two = 1;
        for (int i = 1; i < VL; i++) {
            same &= gap[i] == gap[0], next &= gap[i] == gap[0] + i;
            two &= gap[i] == gap[0] || gap[i] == gap[VL - 1];
        }
        s->kind[c] = same ? 0 : next ? 1 : two ? 2 : 3;
        for (int i = 0; i < VL; i++) s->later[c][i] = gap[i] == gap[0] ? 0 : -1;
    }
}

/* ------------------------------------------------------------------ Adam */
static void FN(adam)(const Model *m, R *restrict w, const R *restrict g, R *restrict first,
                     R *restrict second, double rate, int64_t step, int64_t count) {
    const R b1 = (R)m->beta1, b2 = (R)m->beta2, eps = (R)m->epsilon;
    const R size = (R)(rate / (1 - pow(m->beta1, (double)step)));
    const R root = (R)(1 / sqrt(1 - pow(m->beta2, (double)step)));
    for (int64_t i = 0; i < count; i++) {
        first[i] += (1 - b1) * (g[i] - first[i]);
        second[i] = b2 * second[i] + (1 - b2) * g[i] * g[i];
#if SINGLE
        w[i] -= size * first[i] / (sqrtf(second[i]) * root + eps);
#else
        w[i] -= size * first[i] / (sqrt(second[i]) * root + eps);
#endif
    }
}

static void FN(to_dense)(const Shared *s, const Matrix *w, int64_t low, int64_t high) {
    if (!w->dense) return;
    const R *value = w->value;
    for (int64_t j = low; j < high; j++) {
        R *row = (R *)w->dense + j * s->hp;
        const int64_t from = w->start[j], count = w->start[j + 1] - from;
        if (count == s->m->hidden)
            memcpy(row, value + from, count * sizeof(R));
        else
            for (int64_t k = 0; k < count; k++) row[w->unit[from + k]] = value[from + k];
    }
}

static void FN(update)(Shared *s, int64_t tid, int64_t low, int64_t high) {
    const Model *m = s->m;
    const int64_t step = s->job->adam_step;
    for (int i = 0; i < 4; i++) {
        const Matrix *w = m->matrix + i;
        const int64_t from = w->start[low], count = w->start[high] - from;
        FN(adam)(m, (R *)w->value + from, (R *)w->grad + from, (R *)w->first + from,
                 (R *)w->second + from, w->rate, step, count);
        FN(to_dense)(s, w, low, high);
    }
    const Vector *v = m->vector + 2;
    FN(adam)(m, (R *)v->value + low, (R *)v->grad + low, (R *)v->first + low,
             (R *)v->second + low, v->rate, step, high - low);
    if (tid == 0)
        for (v = m->vector; v < m->vector + 2; v++)
            FN(adam)(m, v->value, v->grad, v->first, v->second, v->rate, step, m->hidden);
}

/* ------------------------------------------------------------------ the program of a thread */
typedef struct {
    Shared *shared;
    int64_t tid;
} FN(Task);

static void *FN(program)(void *given) {
    Shared *s = ((FN(Task) *)given)->shared;
    const int64_t tid = ((FN(Task) *)given)->tid;
    const Model *m = s->m;
    const Job *job = s->job;
    const int64_t low = tid * m->genes / m->threads, high = (tid + 1) * m->genes / m->threads;
    const int learns = job->mode == PULL_BACK || job->mode == FIT;
    FN(tables)(s, low, high);
    if (job->refresh)
        for (int i = 0; i < 4; i++) FN(to_dense)(s, m->matrix + i, low, high);
    if (learns) {
        for (int i = 0; i < 4; i++) {
            const int64_t from = m->matrix[i].start[low];
            memset((R *)m->matrix[i].grad + from, 0,
                   (m->matrix[i].start[high] - from) * sizeof(R));
        }
        memset(s->rsum + low * VL, 0, (high - low) * VL * sizeof(R));
        if (tid == 0)
            for (int i = 0; i < 2; i++)
                memset(m->vector[i].grad, 0, m->hidden * sizeof(R));
    }
    s->loss[tid * 8] = 0;
    for (int64_t first = 0; first < job->pairs; first += LANES) {
        meet(&s->meeting, m->threads);
        if (tid == 0) FN(next_panel)(s, first);
        meet(&s->meeting, m->threads);
#if FORMS == 4
        if (s->width == 4 * VL) FN(panel4)(s, tid);
        else if (s->width == 3 * VL) FN(panel3)(s, tid);
        else if (s->width == 2 * VL) FN(panel2)(s, tid);
        else
#endif
            FN(panel1)(s, tid);
        meet(&s->meeting, m->threads);
        if (tid == 0 && job->pair_loss)
            for (int64_t p = 0; p < s->live; p++) {
                double total = 0;
                for (int64_t k = 0; k < m->threads; k++) total += s->pair[k * LANES + p];
                job->pair_loss[first + p] = total / (double)m->genes;
            }
    }
    if (learns) {
        const R *v = m->vector[2].value;
        for (int64_t j = low; j < high; j++)
            ((R *)m->vector[2].grad)[j] = v[j] > 0 ? FN(sum)(FROM(s->rsum + j * VL)) : 0;
    }
    if (job->mode == FIT && job->adam_step) {
        double loss = 0;
        for (int64_t k = 0; k < m->threads; k++) loss += s->loss[k * 8];
        if (isfinite(loss)) FN(update)(s, tid, low, high);
    }
    return 0;
}

#define TAKE(count) (place = used, used += ((int64_t)(count) * (int64_t)sizeof(R) + 63) / 64 * 64, \
                     base ? (R *)(base + place) : 0)

/* Lay the arrays of a job out in its work space; returns the bytes needed. */
static int64_t FN(lay_out)(Shared *s, const Model *m, int64_t gaps, int64_t width, char *base) {
    int64_t used = 0, place, n = m->genes, h = m->hidden, t = m->threads;
    s->m = m, s->stages = m->method == ETD2 ? 2 : 4, s->evaluations = s->stages * m->substeps;
    s->per = m->method == ETD2 ? PER_ETD2 : m->method == ETD4 ? PER_ETD4 : PER_RK4;
    s->gp = (gaps + VL - 1) / VL * VL + VL;
    s->hp = (h + WIDE * (SINGLE ? 1 : 0) + WIDE / 2 * (SINGLE ? 0 : 1) - 1);
    s->hp = s->hp / (SINGLE ? WIDE : WIDE / 2) * (SINGLE ? WIDE : WIDE / 2);
    const int64_t keep = s->keep ? s->evaluations : 1, saved = s->keep ? keep : MOST_STAGES;
    s->table = TAKE(n * s->per * s->gp);
    s->x = TAKE(n * width), s->xb = TAKE(n * width);
    s->phi = TAKE(keep * n * width), s->lg = TAKE(keep * n * width);
    s->sav = TAKE(saved * n * width);
    s->part = TAKE(t * 2 * h * LANES), s->unit = TAKE(keep * 2 * h * width);
    s->own = 4 * BLOCK * LANES > 12 * s->hp ? 4 * BLOCK * LANES : 12 * s->hp;
    s->scratch = TAKE(t * s->own);
    s->loss = (double *)TAKE(t * 8 * (SINGLE ? 2 : 1));
    s->pair = (double *)TAKE(t * LANES * (SINGLE ? 2 : 1));
    if (s->keep) {
        s->bb = TAKE(n * width), s->ab = TAKE(n * width), s->nb = TAKE(n * width);
        s->rsum = TAKE(n * VL);
        s->g = TAKE(keep * n * width), s->back = TAKE(2 * h * width);
        s->unit_t = TAKE(2 * keep * width * s->hp), s->back_t = TAKE(2 * keep * width * s->hp);
    }
    return used + 64;
}
#undef TAKE

static int64_t FN(work)(const Model *m, int64_t gaps, int64_t pairs, int64_t mode) {
    Shared s = {0};
    s.keep = mode == PULL_BACK || mode == FIT;
    const int64_t width = pairs < LANES ? (pairs + VL - 1) / VL * VL : LANES;
    return FN(lay_out)(&s, m, gaps, width, 0);
}

static double FN(run)(const Model *m, const Job *job) {
    Shared s = {0};
    FN(Task) tasks[256];
    pthread_t threads[256];
    s.keep = job->mode == PULL_BACK || job->mode == FIT;
    const int64_t width = job->pairs < LANES ? (job->pairs + VL - 1) / VL * VL : LANES;
    FN(lay_out)(&s, m, job->gaps, width, (char *)(((uintptr_t)job->work + 63) / 64 * 64));
    s.job = job;
    for (int64_t t = 0; t < m->threads; t++) tasks[t] = (FN(Task)){&s, t};
    for (int64_t t = 1; t < m->threads; t++)
        pthread_create(threads + t, 0, FN(program), tasks + t);
    FN(program)(tasks);
    for (int64_t t = 1; t < m->threads; t++) pthread_join(threads[t], 0);
    double loss = 0;
    for (int64_t t = 0; t < m->threads; t++) loss += s.loss[t * 8];
    return loss / ((double)m->genes * (double)job->pairs);
}
#undef V
#undef VI
#undef AT
#undef FROM
#undef SAV
#undef TAB
#undef UNROLL
#undef LANES
#undef FORMS
#undef Shared
