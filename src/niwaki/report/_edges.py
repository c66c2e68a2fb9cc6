"""The tables beside the record: ``network.tsv`` and ``metrics.jsonl``, read as streams."""

import csv
import heapq
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from niwaki.core import RunFolderError

COLUMNS = ("source", "target", "weight", "sign", "prior_weight", "status")
WEIGHED = ("probability", "stability")  # columns of a fit that weighed every edge
STATUSES = ("kept", "added", "removed")
WEIGHED_STATUSES = ("kept", "added", "refuted", "untested")


def read_edges(path: Path, *, strongest: int = 500, lost: int = 100) -> "EdgeSummary":
    """Return the strongest edges of a network table, and counts over all of it.

    Edges of the prior that the network lacks have no weight; of these the `lost` ones with the
    largest prior weight are kept. The file is never held in memory as a whole.

    Raises
    ------
    RunFolderError
        If the file is missing, lacks a column or has a cell that is not a number.
    """
    counts: Counter[str] = Counter()
    signs: Counter[str] = Counter()
    present: list[tuple[float, int, Edge]] = []
    gone: list[tuple[float, int, Edge]] = []
    for order, edge in enumerate(_edges(path)):
        counts[edge.status] += 1
        if edge.present:
            signs[edge.sign] += 1
            _keep(present, (abs(edge.weight), -order, edge), strongest)
        else:
            _keep(gone, (edge.prior_weight or 0.0, -order, edge), lost)
    return EdgeSummary(_ordered(present), _ordered(gone), dict(counts), dict(signs))


def read_metrics(path: Path) -> list["Epoch"]:
    """Return the training curve, one entry per epoch; an empty list without the file.

    A last line that was cut off by an interruption is left out.

    Raises
    ------
    RunFolderError
        If another line is not the JSON of an epoch.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    epochs = []
    for number, line in enumerate(lines, start=1):
        try:
            epochs.append(_epoch(json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if number == len(lines):
                break
            raise RunFolderError(
                f"{path} is damaged at line {number} (expected JSON with epoch, round, train_loss "
                "and held_out_loss); resume or repeat the fit to write it again."
            ) from error
    return epochs


def _epoch(row: Mapping[str, Any]) -> "Epoch":
    loss, held_out = row["train_loss"], row["held_out_loss"]
    return Epoch(
        epoch=int(row["epoch"] or 0),
        round=int(row["round"] or 0),
        train_loss=math.nan if loss is None else float(loss),
        held_out_loss=math.nan if held_out is None else float(held_out),
    )


def _edges(path: Path) -> Iterator["Edge"]:
    try:
        handle = path.open(newline="", encoding="utf-8")
    except OSError as error:
        raise RunFolderError(
            f"{path} cannot be read ({error.strerror}); a report needs the network.tsv that the "
            "fit wrote, so give a finished run folder."
        ) from error
    with handle:
        rows = csv.reader(handle, delimiter="\t")
        place = _places(path, next(rows, []))
        for row in rows:
            try:
                yield _edge(["" if i is None else row[i] for i in place])
            except (IndexError, ValueError) as error:
                raise RunFolderError(
                    f"{path} is damaged at line {rows.line_num} (a cell is missing or not a "
                    "number); run the fit again, or restore the file."
                ) from error


def _places(path: Path, header: list[str]) -> list[int | None]:
    absent = [name for name in COLUMNS if name not in header]
    if absent:
        raise RunFolderError(
            f"{path} lacks the column {', '.join(absent)}; expected a tab-separated table with "
            f"{', '.join(COLUMNS)}, as `niwaki fit` writes it."
        )
    return [header.index(name) if name in header else None for name in (*COLUMNS, *WEIGHED)]


def _edge(cells: list[str]) -> "Edge":
    source, target, weight, sign, prior_weight, status, probability, stability = cells
    return Edge(
        source,
        target,
        float(weight or 0.0),
        sign,
        float(prior_weight) if prior_weight else None,
        status,
        float(probability) if probability else None,
        float(stability) if stability else None,
    )


def _keep(
    heap: list[tuple[float, int, "Edge"]], entry: tuple[float, int, "Edge"], size: int
) -> None:
    if len(heap) < size:
        heapq.heappush(heap, entry)
    elif heap and entry > heap[0]:
        heapq.heapreplace(heap, entry)


def _ordered(heap: Iterable[tuple[float, int, "Edge"]]) -> list["Edge"]:
    return [edge for _, _, edge in sorted(heap, key=lambda entry: (-entry[0], -entry[1]))]


@dataclass(frozen=True, order=True)
class Edge:
    """One row of ``network.tsv``; `status` compares it with the prior.

    `probability` and `stability` are None unless the fit weighed every edge.
    """

    source: str
    target: str
    weight: float
    sign: str
    prior_weight: float | None = field(compare=False)
    status: str
    probability: float | None = field(default=None, compare=False)
    stability: float | None = field(default=None, compare=False)

    @property
    def present(self) -> bool:
        """Whether the network has the edge, not only the prior."""
        return self.weight != 0

    @property
    def activates(self) -> bool:
        """Whether the regulator raises the expression of its target."""
        return self.sign == "+"


@dataclass(frozen=True)
class EdgeSummary:
    """The strongest edges, the prior's edges that are lost, and how many there are of each kind."""

    strongest: list[Edge]
    lost: list[Edge]
    statuses: dict[str, int]
    signs: dict[str, int]

    @property
    def present(self) -> int:
        """Number of edges that the network contains."""
        return sum(self.signs.values())

    @property
    def absent(self) -> int:
        """Number of the prior's edges that the network lacks."""
        return sum(self.statuses.values()) - self.present


@dataclass(frozen=True)
class Epoch:
    """One line of ``metrics.jsonl``; losses are NaN where they were not finite."""

    epoch: int
    round: int
    train_loss: float
    held_out_loss: float
