"""Numbers and names as a person reads them."""

import math

_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
ABSENT = "–"


def is_number(value: float | None) -> bool:
    """Return whether `value` is there and finite."""
    return value is not None and math.isfinite(value)


def count(value: int | None) -> str:
    """Return a whole number with thousands separated, or a dash."""
    return ABSENT if value is None else f"{value:,}"


def number(value: float | None, digits: int = 3) -> str:
    """Return `value` to `digits` significant digits, or a dash if it is missing or not finite."""
    if value is None or not math.isfinite(value):
        return ABSENT
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if exponent < -4 or exponent > 6:
        mantissa, power = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}\u202f×\u202f10{str(int(power)).translate(_SUPERSCRIPT)}"
    text = f"{value:,.{max(0, digits - 1 - exponent)}f}"
    return text.replace("-", "\u2212")


def short(value: float | None) -> str:
    """Return `value` like `number`, without zeros at its end: ``10``, not ``10.0``."""
    text = number(value)
    plain = "." in text and "×" not in text
    return text.rstrip("0").rstrip(".") if plain else text


def share(value: float | None, digits: int = 1) -> str:
    """Return a share in [0, 1] as percent, or a dash.

    Shares just below 1 get more digits, so that 99.97 % does not read as 100 %.
    """
    if value is None or not math.isfinite(value):
        return ABSENT
    if 0.999 < value < 1:
        digits = max(digits, min(6, -math.floor(math.log10((1 - value) * 100))))
    return f"{100 * value:.{digits}f}\u00a0%"


def probability(value: float | None) -> str:
    """Return a probability to three decimals, never as certain, or a dash if it is missing."""
    if value is None or not math.isfinite(value):
        return ABSENT
    if value < 0.001:
        return "<\u202f0.001"
    return ">\u202f0.999" if value > 0.999 else f"{value:.3f}"


def plural(value: int, word: str, many: str | None = None) -> str:
    """Return ``1 gene`` or ``1,200 genes``."""
    return f"{value:,} {word if value == 1 else many or word + 's'}"


def shorten(text: str, length: int) -> str:
    """Return `text` cut to `length` characters, with an ellipsis where something was cut."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def clean(text: str) -> str:
    """Return `text` with characters that XML forbids, or that reverse text, made visible."""
    return "".join("\ufffd" if _unprintable(character) else character for character in text)


def _unprintable(character: str) -> bool:
    code = ord(character)
    return (
        (code < 32 and character not in "\t\n\r")
        or 127 <= code < 160
        or 0xD800 <= code < 0xE000
        or 0x202A <= code <= 0x202E
        or 0x2066 <= code <= 0x2069
        or code in {0xFFFE, 0xFFFF}
    )
