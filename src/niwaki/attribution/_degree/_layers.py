"""Rules of layers: products with a bias, normalisation, recurrence."""

from niwaki.attribution._degree._algebra import (
    BreaksError,
    Degree,
    Nothing,
    Shift,
    Tag,
    Unknown,
    name_of,
    same,
    scale_free,
    total,
)
from niwaki.attribution._degree._calls import Call


def linear_rule(call: Call) -> Tag:
    """Return the tag of linear and convolutional layers: a product, plus a bias."""
    product = total([call.first, call.tag(1, "weight")], what=call.name)
    return with_bias(product, call.tag(2, "bias"), call.name)


def bilinear_rule(call: Call) -> Tag:
    """Return the tag of a form in two inputs."""
    factors = [call.first, call.tag(1, "input2"), call.tag(2, "weight")]
    return with_bias(total(factors, what="bilinear"), call.tag(3, "bias"), "bilinear")


def with_bias(product: Tag, bias: Tag, what: str) -> Tag:
    """Return the tag of a product and the bias that is added to it.

    Raises
    ------
    BreaksError
        If the bias is not zero and the product is not of degree 0.
    """
    try:
        return same([product, bias], what)
    except BreaksError as error:
        degree = name_of(product.value) if isinstance(product, Degree) else "?"
        raise BreaksError(
            f"{what} adds a bias (degree 0) to a product of degree {degree}"
        ) from error


def batch_norm_rule(call: Call) -> Tag:
    """Return the tag of a fixed affine map, or of a division by the spread of the batch."""
    aten = len(call.args) == 9  # ATen takes weight and bias before the running statistics
    weight, bias, mean = (1, 2, 3) if aten else (3, 4, 1)
    name = "training" if call.name == "batch_norm" else "use_input_stats"
    if call.value(5, name, call.name == "instance_norm"):
        return _normalised(call, weight, bias)
    tag = call.first
    try:
        tag = same([tag, call.tag(mean, "running_mean")], call.name)
    except BreaksError as error:
        raise BreaksError(f"{call.name} subtracts a running mean (degree 0)") from error
    return with_bias(_scaled(call, tag, weight), call.tag(bias, "bias"), call.name)


def _scaled(call: Call, tag: Tag, place: int) -> Tag:
    """Return the tag of a product with a weight, which may be absent."""
    given = call.value(place, "weight") is not None
    return total([tag, call.tag(place, "weight")], what=call.name) if given else tag


def layer_norm_rule(call: Call) -> Tag:
    """Return the tag of LayerNorm, GroupNorm and RMSNorm."""
    return _normalised(call, 2, 99 if call.name == "rms_norm" else 3)


_EPS_PLACE = {"layer_norm": 4, "group_norm": 4, "rms_norm": 3, "batch_norm": 7, "instance_norm": 7}


def _normalised(call: Call, weight: int, bias: int) -> Tag:
    """Return the tag of a division by a spread of the input itself."""
    tag = call.first
    if isinstance(tag, Unknown | Nothing):
        return tag
    eps = call.value(_EPS_PLACE[call.name], "eps", None if call.name == "rms_norm" else 1e-5)
    if eps != 0:
        stated = "its default eps" if eps is None else f"eps = {eps:g}"
        return scale_free(tag, f"{call.name} with {stated} beside the variance")
    if isinstance(tag, Shift):
        return scale_free(tag, call.name)
    return with_bias(_scaled(call, Degree(0.0), weight), call.tag(bias, "bias"), call.name)


def rnn_rule(call: Call) -> Tag:
    """Return the degree that the state and the input of a net of ReLUs share."""
    tag = same([call.first, call.tag(1, "hx")], "the recurrence")
    return with_bias(tag, call.tag(2, "biases"), "the recurrence")
