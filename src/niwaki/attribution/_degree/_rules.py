"""A rule per operation: the degree of its result from the degrees of its arguments.

The table of measured degrees (57 modules) that these rules are tested against stands in
``tests/unit/attribution/modules.py``.
"""

import math
from collections.abc import Callable

from torch import Tensor

from niwaki.attribution._degree._algebra import (
    BreaksError,
    Degree,
    Nothing,
    Several,
    Shift,
    Tag,
    Unknown,
    flat,
    same,
    scale_free,
    times,
    total,
)
from niwaki.attribution._degree._calls import Call
from niwaki.attribution._degree._layers import (
    batch_norm_rule,
    bilinear_rule,
    layer_norm_rule,
    linear_rule,
    rnn_rule,
    with_bias,
)

Rule = Callable[[Call], Tag]

# Linear in their first argument, or positively homogeneous of degree one in it.
_KEEP = """
abs positive relu leaky_relu prelu rrelu sum nansum mean nanmean median amax amin max_pool1d
max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d
adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d lp_pool1d lp_pool2d
lp_pool3d interpolate upsample upsample_nearest1d upsample_nearest2d upsample_nearest3d
upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d upsample_nearest
upsample_bilinear pixel_shuffle pixel_unshuffle channel_shuffle fold unfold im2col col2im dropout
feature_dropout dropout1d dropout2d dropout3d native_dropout identity view view_as reshape
reshape_as flatten
unflatten permute transpose swapaxes movedim moveaxis t T mT squeeze unsqueeze expand expand_as
broadcast_to repeat repeat_interleave tile roll flip fliplr flipud rot90 select index_select gather
take take_along_dim narrow slice getitem index masked_select split split_with_sizes chunk
tensor_split unbind clone contiguous detach to type type_as float double half bfloat16 cpu cuda
alias lift_fresh_copy cumsum tril triu diagonal diag diag_embed trace std sort msort topk
cummax cummin kthvalue mode real requires_grad as_strided unsafe_chunk unsafe_split
numpy_T H mH adjoint to_copy convert_element_type data aminmax
""".split()
# Of these, a logarithm keeps its shift.
_KEEP_SHIFT = set(
    """
mean amax amin max min median view view_as reshape reshape_as flatten unflatten permute transpose
swapaxes movedim t T mT squeeze unsqueeze expand expand_as broadcast_to repeat repeat_interleave
flip select index_select gather narrow slice getitem index split chunk unbind clone contiguous
detach to type_as float double half identity dropout sort topk logsumexp
""".split()
)
# Compare, count or point; they do not grow with the input.
_ORDER = "gt lt ge le eq ne isclose isnan isinf isfinite".split()
_SIGN = "sign sgn argmax argmin argsort heaviside nonzero count_nonzero signbit".split()
_FREE = """
sigmoid tanh gelu silu elu selu celu softplus sin cos tan sinh cosh asin acos atan erf erfc relu6
hardtanh hardsigmoid hardswish mish softsign tanhshrink logsigmoid glu expm1 log1p exponential floor
ceil round trunc frac digamma lgamma i0 log_sigmoid scaled_dot_product_attention lstm gru rnn_tanh
gru_cell lstm_cell rnn_tanh_cell bernoulli erfinv atan2 softmin gumbel_softmax logit bucketize
one_hot embedding multi_head_attention_forward remainder fmod floordiv floor_divide
""".split()


def _keep(call: Call) -> Tag:
    tag = call.first
    if isinstance(tag, Shift) and call.name not in _KEEP_SHIFT:
        return scale_free(tag, call.name)
    return tag


def _neg(call: Call) -> Tag:
    return times(call.first, -1.0) if isinstance(call.first, Shift) else call.first


def _norm(call: Call) -> Tag:
    order = call.value(1, "p", call.kwargs.get("ord", 2))
    return Degree(0.0) if order == 0 else _keep(call)


def _max(call: Call) -> Tag:
    """Largest of one tensor, or of two."""
    if isinstance(call.value(1, "other"), Tensor):
        return same([call.first, call.tag(1, "other")], call.name)
    return _keep(call)


def _getattr(call: Call) -> Tag:
    name, tag = call.value(1, "name"), call.first
    if isinstance(tag, Several) and name in {"values", "indices"}:  # of sort, max, topk, ...
        return tag.parts[0 if name == "values" else 1]
    return tag if name in {"T", "mT", "H", "mH", "data", "real"} else Degree(0.0)


def _sum_of(call: Call) -> Tag:
    """Sum or difference of two; of two logarithms it is again one."""
    terms = [call.first, call.tag(1, "other")]  # alpha is a number
    shifts = [t for t in flat(terms) if isinstance(t, Shift)]
    if len(shifts) == 2:
        first, second = reversed(shifts) if call.name == "rsub" else shifts
        return Shift(first.value + (1 if call.name == "add" else -1) * second.value)
    if len(shifts) == 1 and call.name != "add" and shifts[0] is not terms[0]:
        terms[1] = times(shifts[0], -1.0)
    return same(terms, call.name)


def _joined(call: Call) -> Tag:
    return same([call.first], call.name)


def _added(call: Call) -> Tag:
    place, name = (3, "src") if call.name == "scatter_add" else (3, "source")
    return same([call.first, call.tag(place, name)], call.name)


def _pairwise(call: Call) -> Tag:
    return same(call.tags[:2], call.name)


def _matmul(call: Call) -> Tag:
    """Products of tensors, whatever else is given (an equation, axes)."""
    factors: list[Tag] = []
    for value, tag in zip([*call.args, *call.kwargs.values()], call.tags, strict=True):
        if isinstance(value, Tensor):
            factors.append(tag)
        elif isinstance(tag, Several) and all(isinstance(part, Tensor) for part in value):
            factors += tag.parts
    return total(factors, what=call.name)


def _mul(call: Call) -> Tag:
    factors = [call.first, call.tag(1, "other")]
    logs = [tag for tag in flat(factors) if isinstance(tag, Shift)]
    numbers = [v for v in call.args if isinstance(v, int | float)]
    if len(logs) == 1 and len(numbers) == 1:
        return times(logs[0], float(numbers[0]))
    return total(factors, what=call.name)


def _quotient(call: Call) -> Tag:
    divisor, below = call.value(1, "other"), call.tag(1, "other")
    if isinstance(below, Nothing):
        raise BreaksError("div divides by zero")
    if isinstance(call.first, Shift) and isinstance(divisor, int | float):
        return times(call.first, 1 / float(divisor))
    if call.value(2, "rounding_mode") is not None:
        return scale_free(Several((call.first, below)), "rounded division")
    return total([call.first, below], signs=[1, -1], what="div")


def _power(call: Call) -> Tag:
    exponent = call.value(1, "exponent")
    if isinstance(exponent, Tensor):
        tags = flat(call.tags[:2])
        plain = all(isinstance(t, Degree | Nothing) and t in (Degree(0.0), Nothing()) for t in tags)
        return Degree(0.0) if plain else Unknown("pow with a tensor as exponent")
    if isinstance(call.first, Shift):
        return scale_free(call.first, "power")
    return times(call.first, float(exponent))


def _fixed_power(power: float) -> Rule:
    def rule(call: Call) -> Tag:
        if isinstance(call.first, Shift):
            return scale_free(call.first, call.name)
        return times(call.first, power)

    return rule


def _order(call: Call) -> Tag:
    tags = [call.first, call.tag(1, "other")]
    same(tags, call.name)
    return Degree(0.0)


def _sign(call: Call) -> Tag:
    return call.first if isinstance(call.first, Unknown) else Degree(0.0)


def _free(call: Call) -> Tag:
    what = "softmax inside attention" if "attention" in call.name else call.name
    return scale_free(Several(tuple(flat(call.tags))), what)


def _log(call: Call) -> Tag:
    tag = call.first
    if isinstance(tag, Degree):
        return Shift(tag.value) if tag.value else tag
    return scale_free(tag, call.name)


def _exp(call: Call) -> Tag:
    tag = call.first
    return Degree(tag.value) if isinstance(tag, Shift) else scale_free(tag, call.name)


def _softmax(call: Call) -> Tag:
    """Return degree 0 for logarithms: a softmax does not see a shift that all share."""
    return Degree(0.0) if isinstance(call.first, Shift) else scale_free(call.first, call.name)


def _logsumexp(call: Call) -> Tag:
    return call.first if isinstance(call.first, Shift) else scale_free(call.first, call.name)


def _sum(call: Call) -> Tag:
    """Return the degree, or n times the shift of a logarithm."""
    if isinstance(call.first, Shift):
        size = call.args[0].numel() / max(1, call.result.numel())
        return times(call.first, size)
    return call.first


def _clamp(call: Call) -> Tag:
    bounds = [call.tag(1, "min"), call.tag(2, "max")]
    given = [call.value(1, "min"), call.value(2, "max")]
    kept = [tag for tag, bound in zip(bounds, given, strict=True) if bound is not None]
    infinite = [_is_infinite(bound) for bound in given if bound is not None]
    kept = [tag for tag, free in zip(kept, infinite, strict=True) if not free]
    return same([call.first, *kept], call.name)


def _is_infinite(bound: object) -> bool:
    """Return whether a bound is none at all."""
    if isinstance(bound, Tensor):
        return bool(bound.isinf().all())
    return isinstance(bound, float) and math.isinf(bound)


def _bound(call: Call) -> Tag:
    return same([call.first, call.tag(1, "min" if call.name == "clamp_min" else "max")], call.name)


def _where(call: Call) -> Tag:
    scale_free(call.first, "the condition of where")
    return same([call.tag(1, "self"), call.tag(2, "other")], "where")


def _masked_fill(call: Call) -> Tag:
    value = call.value(2, "value")
    if isinstance(value, float) and math.isinf(value):
        return call.first  # minus infinity stays so at every scale
    scale_free(call.tag(1, "mask"), "the mask of masked_fill")
    return same([call.first, call.tag(2, "value")], "masked_fill")


def _threshold(call: Call) -> Tag:
    edge, value = call.value(1, "threshold", 0), call.value(2, "value", 0)
    if edge == 0 and value == 0:
        return call.first
    return scale_free(call.first, f"threshold at {edge}")


def _shrink(call: Call) -> Tag:
    edge = call.value(1, "lambd", 0.5)
    return call.first if edge == 0 else scale_free(call.first, f"{call.name} by {edge:g}")


def _addmm(call: Call) -> Tag:
    """Return the tag of ``a + b @ c`` and its relatives."""
    product = total([call.tag(1, "mat1"), call.tag(2, "mat2")], what=call.name)
    return with_bias(product, call.first, call.name)


def _lerp(call: Call) -> Tag:
    scale_free(call.tag(2, "weight"), "the weight of lerp")
    return same([call.first, call.tag(1, "end")], "lerp")


def _addcmul(call: Call) -> Tag:
    signs = [1, -1] if call.name == "addcdiv" else [1, 1]
    term = total([call.tag(1, "tensor1"), call.tag(2, "tensor2")], signs=signs, what=call.name)
    return same([call.first, term], call.name)


def _pad(call: Call) -> Tag:
    mode, value = call.value(2, "mode", "constant"), call.value(3, "value", 0)
    if isinstance(mode, int | float):  # the ATen form has the value in its place
        mode, value = "constant", mode
    if mode == "constant" and value:
        return same([call.first, Degree(0.0)], f"padding with {value:g}")
    return call.first


def _fill(call: Call) -> Tag:
    return call.tag(1, "value")


def _normalize(call: Call) -> Tag:
    """Return degree 0 for unit vectors; torch's bound of 1e-12 on the norm is taken as none."""
    return call.first if isinstance(call.first, Unknown) else Degree(0.0)


def _cosine(call: Call) -> Tag:
    unknown = next((t for t in flat(call.tags) if isinstance(t, Unknown)), None)
    return unknown or Degree(0.0)


RULES: dict[str, Rule] = {
    **dict.fromkeys(_KEEP, _keep),
    **dict.fromkeys(["add", "sub", "rsub"], _sum_of),
    **dict.fromkeys(["cat", "stack", "dstack", "column_stack", "block_diag"], _joined),
    **dict.fromkeys(["index_add", "scatter_add", "index_copy"], _added),
    **dict.fromkeys(["maximum", "minimum", "fmax", "fmin", "hypot"], _pairwise),
    **dict.fromkeys(["max", "min"], _max),
    **dict.fromkeys(_ORDER, _order),
    **dict.fromkeys(_SIGN, _sign),
    **dict.fromkeys(_FREE, _free),
    **dict.fromkeys(
        ["linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
         "conv_transpose3d", "convolution"], linear_rule),
    **dict.fromkeys(["addmm", "baddbmm", "addbmm", "addmv", "addr"], _addmm),
    **dict.fromkeys(["layer_norm", "group_norm", "rms_norm"], layer_norm_rule),
    **dict.fromkeys(["batch_norm", "instance_norm"], batch_norm_rule),
    **dict.fromkeys(["square"], _fixed_power(2.0)), "var": _fixed_power(2.0),
    "sqrt": _fixed_power(0.5), "rsqrt": _fixed_power(-0.5), "reciprocal": _fixed_power(-1.0),
    **dict.fromkeys(["softmax", "log_softmax"], _softmax),
    **dict.fromkeys(["addcmul", "addcdiv"], _addcmul),
    **dict.fromkeys(["clamp_min", "clamp_max"], _bound),
    **dict.fromkeys(["softshrink", "hardshrink"], _shrink),
    **dict.fromkeys(["cosine_similarity"], _cosine),
    **dict.fromkeys(["zeros_like"], lambda call: Nothing()),
    **dict.fromkeys(["ones_like", "rand_like", "randn_like", "size", "dim", "numel", "new_ones",
                     "new_zeros", "new_tensor", "new_empty", "sym_size"],
                    lambda call: Degree(0.0)),
    **dict.fromkeys(["full_like", "fill", "new_full"], _fill),
    "sum": _sum, "div": _quotient, "pow": _power, "log": _log, "log2": _log, "log10": _log,
    "exp": _exp, "logsumexp": _logsumexp, "clamp": _clamp, "where": _where, "lerp": _lerp,
    "masked_fill": _masked_fill, "threshold": _threshold, "pad": _pad, "normalize": _normalize,
    "constant_pad_nd": _pad, "bilinear": bilinear_rule, "mul": _mul, "matmul": _matmul, "neg": _neg,
    "norm": _norm, "getattr": _getattr, "rnn_relu": rnn_rule,
}  # fmt: skip


def apply_rule(call: Call) -> Tag:
    """Return the tag of a call's result.

    Raises
    ------
    BreaksError
        If the operation is not homogeneous for arguments of these degrees.
    """
    rule = RULES.get(call.name)
    tags = flat(call.tags)
    if rule is None:
        plain = all(isinstance(t, Degree | Nothing) and getattr(t, "value", 0) == 0 for t in tags)
        unknown = next((t for t in tags if isinstance(t, Unknown)), None)
        return Degree(0.0) if plain else unknown or Unknown(call.name)
    return rule(call)
