"""Write src/niwaki/wavelets/_table.py: lattice angles of named wavelets, to 17 digits.

python tests/reference/make_wavelet_angles.py

Each wavelet is pinned down by its equations, solved by Gauss-Newton steps at 60 digits from the
rounded filter that PyWavelets stores: db and sym of 2K taps have K vanishing moments of the
high-pass filter; coif of 6k taps has 2k of them and 2k - 1 centred moments of the low-pass filter.
Orthonormality is exact, since the unknowns are the angles.
"""

from pathlib import Path

import mpmath
import pywt
import torch

from niwaki.wavelets._lattice import angles_from_filter

TARGET = Path(__file__).parents[2] / "src" / "niwaki" / "wavelets" / "_table.py"
NAMES = (
    "haar",
    *(f"db{k}" for k in range(2, 11)),
    *(f"sym{k}" for k in range(2, 11)),
    *(f"coif{k}" for k in range(1, 6)),
)
HEAD = '''"""Lattice angles of named wavelets (radians).

Written by tests/reference/make_wavelet_angles.py. Order and sign of the taps are those of
PyWavelets' ``dec_lo``.
"""

ANGLES: dict[str, tuple[float, ...]] = {
'''


def taps(angles):
    even, odd = [mpmath.cos(angles[0])], [mpmath.sin(angles[0])]
    for angle in angles[1:]:
        c, s = mpmath.cos(angle), mpmath.sin(angle)
        late, wide = [mpmath.mpf(0), *odd], [*even, mpmath.mpf(0)]
        even = [c * e - s * o for e, o in zip(wide, late, strict=True)]
        odd = [s * e + c * o for e, o in zip(wide, late, strict=True)]
    return [tap for pair in zip(even, odd, strict=True) for tap in pair]


def equations(angles, name, centre):
    low = taps(angles)
    high = [(-1) ** n * low[-1 - n] for n in range(len(low))]
    vanishing = len(low) // 2 if not name.startswith("coif") else len(low) // 3
    middle = mpmath.mpf(len(low) - 1) / 2
    found = [sum(h * (n - middle) ** p for n, h in enumerate(high)) for p in range(vanishing)]
    if name.startswith("coif"):
        found += [
            sum(h * (n - centre) ** p for n, h in enumerate(low)) for p in range(1, vanishing)
        ]
    return [mpmath.mpf(f) / middle**i for i, f in enumerate(found)] + [sum(low) - mpmath.sqrt(2)]


def solve(name):
    low = torch.tensor(pywt.Wavelet(name).dec_lo, dtype=torch.float64)
    centre = round(float((low * torch.arange(len(low))).sum() / low.sum()))
    angles = [mpmath.mpf(a) for a in angles_from_filter(low).tolist()]
    for _ in range(8):
        value = mpmath.matrix(equations(angles, name, centre))
        columns = []
        for k in range(len(angles)):
            near = list(angles)
            near[k] += mpmath.mpf(10) ** -25
            columns.append(
                (mpmath.matrix(equations(near, name, centre)) - value) * mpmath.mpf(10) ** 25
            )
        jacobian = mpmath.matrix(len(value), len(angles))
        for k, column in enumerate(columns):
            for i in range(len(value)):
                jacobian[i, k] = column[i]
        angles = list(mpmath.matrix(angles) - mpmath.lu_solve(jacobian, value))
    left = max(abs(v) for v in equations(angles, name, centre))
    if left > mpmath.mpf(10) ** -30:
        raise ArithmeticError(f"{name}: equations left at {mpmath.nstr(left)}")
    return [float((a + mpmath.pi) % (2 * mpmath.pi) - mpmath.pi) for a in angles]


def main():
    mpmath.mp.dps = 60
    parts = [HEAD]
    for name in NAMES:
        parts.append(f'    "{name}": (\n')
        parts += [f"        {angle!r},\n" for angle in solve(name)]
        parts.append("    ),\n")
    parts.append("}\n")
    TARGET.write_text("".join(parts))


if __name__ == "__main__":
    main()
