"""Names and labels that people give to times and samples."""

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from niwaki.core import InputError
from niwaki.data._text import shorten

TIME_NAMES = (
    *("time", "pseudotime", "dpt_pseudotime", "t", "hours", "hour", "hpi", "days", "day"),
    *("minutes", "minute", "min", "timepoint", "time_point", "latent_time"),
    *("velocity_pseudotime", "palantir_pseudotime", "monocle_pseudotime", "slingshot_pseudotime"),
)
TRAJECTORY_NAMES = (
    *("trajectory", "trajectory_id", "sample", "sample_id", "donor", "donor_id", "replicate"),
    *("rep", "branch", "lineage", "subject", "patient", "individual", "condition"),
)
GENE_NAMES = (
    *("gene", "genes", "gene_name", "gene_id", "gene_symbol", "symbol", "feature", "orf", "probe"),
    *("ORF", "variable"),
)
VALUE_NAMES = ("value", "values", "expression", "expr", "level", "abundance", "count", "counts")

_UNIT_WORDS = {
    "s": "s sec secs second seconds",
    "min": "min mins minute minutes",
    "h": "h hr hrs hour hours hpi",
    "d": "d day days",
    "w": "w wk week weeks",
}
_UNITS = {word: unit for unit, words in _UNIT_WORDS.items() for word in words.split()}
_PREFIXES = dict.fromkeys(("", "t", "tp", "time", "timepoint", "pseudotime", "x"), "") | _UNITS
_TIME = re.compile(
    r"(?P<prefix>[A-Za-z]*)[ _.]?(?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
    r"[ _]?(?P<unit>[A-Za-z]*)"
)
_LABEL = re.compile(r"(?P<head>.+)[_:@| ](?P<tail>[^_:@| ]+)")


class TimeLabel(NamedTuple):
    """A time as written in a header; `marked` if a prefix or unit says that it is one."""

    time: float
    unit: str
    marked: bool


class ColumnLabel(NamedTuple):
    """Which sample and time a column holds."""

    sample: str
    time: float


def find_column(
    columns: Sequence[str], names: Sequence[str], *, key: str | None = None, what: str
) -> int | None:
    """Return the place of the column called `key`, or else of the first of `names` present.

    Short names must match in case too, for ``T`` is a gene.

    Raises
    ------
    InputError
        If `key` is given and no column, or more than one, is called so.
    """
    if key is not None:
        places = [i for i, column in enumerate(columns) if column == key]
        if len(places) != 1:
            shown = ", ".join(f"'{shorten(column, limit=20)}'" for column in columns[:8])
            more = f" and {len(columns) - 8} more" if len(columns) > 8 else ""
            problem = "stands twice among" if places else "is not one of"
            raise InputError(
                f"the {what} column '{key}' {problem} the columns; they are {shown}{more}."
            )
        return places[0]
    for name in names:
        for i, column in enumerate(columns):
            if is_called(column, (name,)):
                return i
    return None


def is_called(column: str, names: Sequence[str]) -> bool:
    """Tell whether `column` is one of `names`; those of up to three letters must match in case."""
    return column in names or any(len(name) > 3 and column.lower() == name for name in names)


def parse_time(text: str) -> TimeLabel | None:
    """Return the time in a label such as ``5``, ``t5``, ``5h``, ``Day 3`` or R's ``X5``."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    prefix, unit = match["prefix"].lower(), match["unit"].lower()
    if prefix not in _PREFIXES or (unit and unit not in _UNITS):
        return None
    return TimeLabel(
        float(match["number"]), _UNITS.get(unit) or _PREFIXES[prefix], bool(prefix or unit)
    )


def parse_times(labels: Sequence[str]) -> list[float] | None:
    """Return the times of all `labels`, or None if one of them is not a time.

    Raises
    ------
    InputError
        If the labels mix units.
    """
    found = [parse_time(label) for label in labels]
    times = [label for label in found if label is not None]
    if len(times) < len(found):
        return None
    units = sorted({label.unit for label in times if label.time != 0})
    if len(units) > 1:
        named = ", ".join(f"'{unit or 'no unit'}'" for unit in units)
        raise InputError(f"the times mix units ({named}); write them all in one unit.")
    return [label.time for label in times]


def parse_labels(labels: Sequence[str], *, sure: bool = False) -> list[ColumnLabel] | None:
    """Return sample and time of each column, or None if the labels do not clearly say them.

    Understood are times alone, ``sample_time`` and ``time_sample``, where the time carries a prefix
    or a unit (``donorA_t5``, ``5h_rep1``). A plain number after the sample counts as a time unless
    the numbers just count on from 0 or 1 within every sample, as replicate numbers do.

    Parameters
    ----------
    sure
        Whether the caller knows that the columns are times, so that counting numbers are too.

    Raises
    ------
    InputError
        If the labels mix units.
    """
    times = parse_times(labels)
    if times is not None:
        return [ColumnLabel("sample 1", time) for time in times]
    matches = [_LABEL.fullmatch(label.strip()) for label in labels]
    parts = [match.group("head", "tail") for match in matches if match is not None]
    if len(parts) < len(labels):
        return None
    heads, tails = [head for head, _ in parts], [tail for _, tail in parts]
    for samples, texts in ((heads, tails), (tails, heads)):
        times = parse_times(texts)
        if times is None:
            continue
        marked = all((label := parse_time(text)) and label.marked for text in texts)
        plain = texts is tails and (sure or not _counts_on(samples, times))
        if marked or plain:
            return [ColumnLabel(*pair) for pair in zip(samples, times, strict=True)]
    return None


def _counts_on(samples: Sequence[str], times: Sequence[float]) -> bool:
    """Tell whether each sample's numbers are 0, 1, 2, ... or 1, 2, 3, ..."""
    numbers = defaultdict(list)
    for sample, time in zip(samples, times, strict=True):
        numbers[sample].append(time)
    return all(
        sorted(seen) in ([*range(len(seen))], [*range(1, len(seen) + 1)])
        for seen in numbers.values()
    )
