import pytest
import torch

from niwaki.core import ConfigError
from niwaki.wavelets import (
    MODES,
    coefficient_attributions,
    coefficient_attributions2,
    dwt,
    dwt2,
    flat_bands,
    idwt,
    idwt2,
    input_gradients,
    named_filter,
    trim_attributions,
)

KINDS = ("saliency", "input_x_gradient", "integrated_gradients")
EXACT = 1e-12  # asked; rounding is some 1e-15


def transforms(shape, mode, low):
    if len(shape) == 1:
        return (
            lambda x: dwt(x, low, level=2, mode=mode),
            lambda bands: idwt(bands, low, length=shape[0], mode=mode),
        )

    def flat(x):
        a, *details = dwt2(x, low, level=2, mode=mode)
        return [a, *(part for detail in details for part in detail)]

    def back(bands):
        nested = [bands[0], tuple(bands[1:4]), tuple(bands[4:7])]
        return idwt2(nested, low, shape=shape, mode=mode)

    return flat, back


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(20,), (21,), (9, 12)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_closed_form_is_what_autograd_finds(mode, shape, kind, smooth, normal):
    x = normal(3, *shape)
    teacher = smooth(x[0].numel())
    nodes = 8 if kind == "integrated_gradients" else 0
    gradients = input_gradients(teacher, x, targets=(0, 1, 2), nodes=nodes)
    analysis, synthesis = transforms(shape, mode, "db3")
    closed = coefficient_attributions if len(shape) == 1 else coefficient_attributions2
    given = None if kind == "saliency" else x
    for target in range(3):
        slow = trim_attributions(
            teacher, x, analysis=analysis, synthesis=synthesis, attribution=kind, target=target,
            nodes=8,
        )  # fmt: skip
        fast = closed(gradients[target], "db3", level=2, mode=mode, x=given)
        for a, b in zip(flat_bands(slow), flat_bands(fast), strict=True):
            assert float((a - b).norm()) <= EXACT * float(a.norm() + 1)


def test_attributions_of_coefficients_and_of_inputs_add_up_alike(smooth, normal):
    x = normal(4, 30)
    gradients = input_gradients(smooth(30), x, nodes=32)[0]
    parts = coefficient_attributions(gradients, "sym4", level=3, x=x)
    total = torch.cat(parts, 1).sum(1)
    assert torch.allclose(total, (gradients * x).sum(1), rtol=1e-12)


def test_a_transform_that_is_not_orthonormal_needs_autograd(smooth, normal):
    x, teacher = normal(3, 16), smooth(16)
    low = named_filter("db2") + 0.05
    matrix = torch.cat(dwt(torch.eye(16).double(), low, level=1), 1)
    inverse = torch.linalg.pinv(matrix)
    slow = trim_attributions(
        teacher, x, analysis=lambda v: [v @ matrix], synthesis=lambda bands: bands[0] @ inverse
    )[0]
    gradient = input_gradients(teacher, x)[0]
    assert torch.allclose(slow, gradient @ inverse.T, atol=1e-12)
    assert float((slow - gradient @ matrix).norm() / slow.norm()) > 0.05


def test_the_residual_shrinks_along_the_path(smooth, normal):
    """A lossy transform still gets Integrated Gradients of the part it represents."""
    x, teacher = normal(3, 16), smooth(16)
    half = torch.eye(16).double()[:, :8]
    found = trim_attributions(
        teacher, x, analysis=lambda v: [v @ half], synthesis=lambda bands: bands[0] @ half.T,
        attribution="integrated_gradients", nodes=16,
    )[0]  # fmt: skip
    mean = input_gradients(teacher, x, nodes=16)[0]
    assert torch.allclose(found, (mean * x)[:, :8], atol=1e-12)


def test_an_unknown_attribution_is_refused(smooth, normal):
    with pytest.raises(ConfigError, match="one of saliency"):
        trim_attributions(
            smooth(4), normal(2, 4), analysis=lambda v: [v], synthesis=lambda b: b[0],
            attribution="lrp",
        )  # fmt: skip
