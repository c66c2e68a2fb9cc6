import numpy as np
import pytest
import torch

from niwaki.core import InputError
from niwaki.motifs import MOTIFS, count, count_batch, from_masks


@pytest.mark.parametrize("biases", [False, True])
def test_many_networks_at_once_equal_one_by_one(biases, rng):
    sizes = (3, 7, 6, 4, 2)
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    masks = [torch.from_numpy(rng.random((5, *shape)) < 0.5) for shape in shapes]
    vectors = [torch.from_numpy(rng.random((5, o)) < 0.5) for o, _ in shapes] if biases else None
    found = count_batch(masks, biases=vectors)
    assert found.shape == (5, len(MOTIFS))
    for i, row in enumerate(found.tolist()):
        own = None if vectors is None else [v[i] for v in vectors]
        assert row == list(count(from_masks([m[i] for m in masks], biases=own)).total.values())


def test_unusable_batches_are_refused_in_words():
    ones = torch.ones(2, 3, 4, dtype=torch.bool)
    with pytest.raises(InputError, match="no mask"):
        count_batch([])
    with pytest.raises(InputError, match="ends in 3 nodes"):
        count_batch([ones, ones])
    with pytest.raises(InputError, match="one value per target"):
        count_batch([ones], biases=[torch.ones(2, 4, dtype=torch.bool)])
    with pytest.raises(InputError, match="64 bits"):
        count_batch([torch.ones(1, 40_000, 1, dtype=torch.bool)])


@pytest.mark.gpu
def test_an_accelerator_counts_the_same(rng):
    if not torch.cuda.is_available():
        pytest.skip("no accelerator")
    masks = [torch.from_numpy(rng.random((3, 6, 5)) < 0.5)]
    on_device = count_batch([m.cuda() for m in masks])
    assert torch.equal(on_device.cpu(), count_batch(masks))


def test_counts_are_whole_numbers(rng):
    assert count_batch([torch.from_numpy(rng.random((1, 3, 3)) < 0.5)]).dtype == torch.int64
    assert np.array_equal(list(MOTIFS)[:2], ["edge", "diverging2"])
