"""Slow twins of the wavelet package, sample by sample from the definitions."""


def _beyond(x, place, mode):
    """The value at any place of an extended signal."""
    size = len(x)
    if mode == "zero":
        return x[place] if 0 <= place < size else 0.0
    if mode == "periodization":
        circle = list(x) + [x[-1]] * (size % 2)
        return circle[place % len(circle)]
    if mode == "symmetric":
        while not 0 <= place < size:
            place = -1 - place if place < 0 else 2 * size - 1 - place
        return x[place]
    raise ValueError(mode)


def slow_level(x, low, mode):
    taps = len(low)
    high = [(-1) ** (n + 1) * low[taps - 1 - n] for n in range(taps)]
    circular = mode == "periodization"
    count = (len(x) + 1) // 2 if circular else (len(x) + taps - 1) // 2
    first = taps // 2 if circular else 1
    return [
        [sum(f[j] * _beyond(x, 2 * k + first - j, mode) for j in range(taps)) for k in range(count)]
        for f in (low, high)
    ]


def slow_dwt(x, low, *, level, mode):
    """Bands A_J, D_J, ..., D_1."""
    details = []
    for _ in range(level):
        x, detail = slow_level(x, low, mode)
        details.append(detail)
    return [x, *reversed(details)]


def slow_top(bands, count):
    """The largest coefficients of every band, by sorting lists."""
    return [value for band in bands for value in sorted(band, reverse=True)[:count]]


def slow_peaks(rows):
    """Places whose value exceeds that of all eight neighbours."""
    return [
        (i, j)
        for i in range(1, len(rows) - 1)
        for j in range(1, len(rows[0]) - 1)
        if all(
            rows[i][j] > rows[i + a][j + b]
            for a in (-1, 0, 1)
            for b in (-1, 0, 1)
            if (a, b) != (0, 0)
        )
    ]
