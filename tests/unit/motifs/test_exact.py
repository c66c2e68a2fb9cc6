import numpy as np

from niwaki.motifs._exact import choose2, choose3, exact_sum, exact_sums


def test_sums_are_exact_whatever_their_size(rng):
    for scale in (10, 2**20, 2**31, 2**62):
        a, b = rng.integers(-scale, scale, (2, 50))
        plain = sum(int(x) * int(y) for x, y in zip(a, b, strict=True))
        assert exact_sum(a, b) == plain
    assert exact_sum(np.zeros(0, dtype=np.int64)) == 0


def test_choices():
    n = np.array([0, 1, 2, 3, 10, 2_000_000])
    assert choose2(n).tolist() == [0, 0, 1, 3, 45, 1_999_999_000_000]
    assert choose3(n).tolist() == [0, 0, 0, 1, 120, 2_000_000 * 1_999_999 * 1_999_998 // 6]


def test_sums_by_label():
    labels = np.array([0, 1, 0, 2])
    assert exact_sums(labels, 4, np.array([1, 2, 3, 4])) == (4, 2, 4, 0)
