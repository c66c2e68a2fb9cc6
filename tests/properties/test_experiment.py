import tempfile
from pathlib import Path

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from niwaki.experiment._checkpoint import load_tensors, pack, save_tensors, unpack


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 13),
    columns=st.integers(1, 13),
    density=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    seed=st.integers(0, 2**31),
)
def test_packed_weights_come_back_bit_for_bit(rows, columns, density, seed):
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(rows, columns, generator=generator) < density
    tensors = {
        "weight": torch.randn(rows, columns, generator=generator) * mask,
        "bias": torch.randn(rows, generator=generator),
    }
    shapes = {name: value.shape for name, value in tensors.items()}
    packed = pack(tensors, {"weight": mask})
    assert sum(part.numel() * part.element_size() for part in packed.values()) <= (
        4 * rows + 4 * int(mask.sum()) + rows * columns // 8 + 1
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.safetensors"
        save_tensors(path, packed, {"round": 3, "lowest": float("inf")})
        loaded, numbers = load_tensors(path, remedy="try again")
    found, masks = unpack(loaded, shapes)
    assert numbers == {"round": 3, "lowest": float("inf")}
    assert torch.equal(masks["weight"], mask)
    # -0.0 of a pruned weight may come back as 0.0, which equal() takes for the same
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)
