"""Degrees of homogeneity and how operations combine them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Degree:
    """``F(a x) = a^value F(x)`` for all a > 0; a constant has degree 0."""

    value: float


@dataclass(frozen=True)
class Shift:
    """``F(a x) = F(x) + value log(a)``: the logarithm of something homogeneous."""

    value: float


@dataclass(frozen=True)
class Nothing:
    """Zero whatever the input, which has every degree."""


@dataclass(frozen=True)
class Unknown:
    """An operation without a rule; `where` names it."""

    where: str


@dataclass(frozen=True)
class Several:
    """The tags of a container, one by one."""

    parts: tuple["Tag", ...]


Tag: TypeAlias = Degree | Shift | Nothing | Unknown | Several


class BreaksError(Exception):
    """An operation is not homogeneous; the text says why, for the end of a sentence."""


def name_of(degree: float) -> str:
    """Return a degree without needless zeros."""
    return f"{degree:g}"


def flat(tags: Iterable[Tag]) -> list[Tag]:
    """Return tags with containers opened."""
    found: list[Tag] = []
    for tag in tags:
        found += flat(tag.parts) if isinstance(tag, Several) else [tag]
    return found


def same(tags: Iterable[Tag], what: str) -> Tag:
    """Return the tag of a sum, choice or concatenation of terms, whose degrees must agree.

    Parameters
    ----------
    tags
        Of the terms.
    what
        Name of the operation, for the reason.

    Raises
    ------
    BreaksError
        If they do not.
    """
    terms = [tag for tag in flat(tags) if not isinstance(tag, Nothing)]
    if not terms:
        return Nothing()
    unknown = next((tag for tag in terms if isinstance(tag, Unknown)), None)
    if unknown is not None:
        return unknown
    if len(set(terms)) == 1:
        return terms[0]
    if any(isinstance(tag, Shift) for tag in terms):
        shifts = {tag for tag in terms if isinstance(tag, Shift)}
        rest = [tag for tag in terms if isinstance(tag, Degree) and tag.value != 0]
        if len(shifts) == 1 and not rest and what in {"add", "sub"}:
            return shifts.pop()  # a logarithm and a constant
        raise BreaksError(f"{what} joins a logarithm with something else")
    degrees = sorted({tag.value for tag in terms if isinstance(tag, Degree)})
    listed = " and ".join("0 (a constant)" if d == 0 else name_of(d) for d in degrees)
    raise BreaksError(f"{what} joins terms of degrees {listed}")


def total(tags: Iterable[Tag], *, signs: Iterable[int] | None = None, what: str = "mul") -> Tag:
    """Return the tag of a product, or of a quotient where a sign is -1.

    Parameters
    ----------
    tags
        Of the factors.
    signs
        +1 or -1 per factor; +1 by default.
    what
        Name of the operation, for the reason.

    Raises
    ------
    BreaksError
        If a factor is a logarithm that still depends on the scale.
    """
    factors = flat(tags)
    unknown = next((tag for tag in factors if isinstance(tag, Unknown)), None)
    if any(isinstance(tag, Nothing) for tag in factors):
        return Nothing()
    if unknown is not None:
        return unknown
    degree = 0.0
    for tag, sign in zip(factors, signs or [1] * len(factors), strict=True):
        if isinstance(tag, Shift):
            if tag.value != 0:
                raise BreaksError(f"{what} multiplies a logarithm")
            continue
        degree += sign * tag.value if isinstance(tag, Degree) else 0.0
    return Degree(degree)


def times(tag: Tag, factor: float) -> Tag:
    """Return the tag of a power, or of a logarithm times a number."""
    if isinstance(tag, Degree):
        return Degree(tag.value * factor)
    if isinstance(tag, Shift):
        return Shift(tag.value * factor)
    return tag


def scale_free(tag: Tag, what: str) -> Tag:
    """Return the tag of any other function: degree 0, and only of something of degree 0.

    Parameters
    ----------
    tag
        Of the argument.
    what
        Name of the operation, for the reason.

    Raises
    ------
    BreaksError
        If the argument depends on the scale.
    """
    if isinstance(tag, Unknown):
        return tag
    if isinstance(tag, Nothing) or (isinstance(tag, Degree | Shift) and tag.value == 0):
        return Degree(0.0)
    if isinstance(tag, Several):
        for part in tag.parts:
            scale_free(part, what)
        return Degree(0.0)
    if isinstance(tag, Shift):
        raise BreaksError(f"{what} of a logarithm is no power of its argument")
    raise BreaksError(f"{what} is not homogeneous; its argument has degree {name_of(tag.value)}")
