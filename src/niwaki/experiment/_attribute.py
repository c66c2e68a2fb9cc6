"""``attribute``: a run or an exported program, a table, and what each target rests on."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from niwaki.attribution import (
    Attribution,
    MapAttribution,
    completeness_gap,
    flow_attribution,
    homogeneity_report,
    integrated_gradients,
    xgrad,
)
from niwaki.core import (
    ConfigError,
    InputError,
    RunFolderError,
    Trajectories,
)
from niwaki.dynamics import solve
from niwaki.experiment._attribution import (
    field_contributions,
    frozen,
    gene_places,
    observed_states,
)
from niwaki.experiment._features import read_features
from niwaki.experiment._folder import open_run
from niwaki.experiment._material import read_material
from niwaki.experiment._predict import FittedModel, load_model
from niwaki.experiment._program import load_program

_MOST_TARGETS = 16
_FLOW_NODES = 8
COLUMNS = ("target", "source", "sign", "size", "mean")


@dataclass(frozen=True)
class Contribution:
    """What one source contributes to one target, over all samples.

    `mean` and `size` are the mean and mean absolute contribution (units of the target); `sign` is
    the direction: 1 if more of the source means more of the target, -1 for less.
    """

    source: str
    mean: float
    size: float
    sign: int


@dataclass(frozen=True)
class TargetContributions:
    """Everything that one target rests on, largest contribution first.

    `result` and `baseline` are the target's mean value and its value at the baseline.
    """

    target: str
    result: float
    baseline: float
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True)
class AttributionResult:
    """Contributions to targets, and how they were found.

    Attributes
    ----------
    about
        What was attributed: ``rates of change``, a forecast, or a model's outputs.
    unit
        What a contribution measures.
    method, note, degree, nodes
        As in `attribution.Attribution`.
    gap
        Root mean square of what the contributions miss, relative to what they explain.
    samples
        Samples or states behind every mean (count).
    targets
        The targets.
    """

    about: str
    unit: str
    method: str
    note: str
    degree: float | None
    nodes: int
    gap: float
    samples: int
    targets: tuple[TargetContributions, ...]

    def table(self) -> str:
        """Return all contributions as TSV, target by target."""
        out = io.StringIO()
        writer = csv.writer(out, delimiter="\t", lineterminator="\n")
        writer.writerow(COLUMNS)
        for target in self.targets:
            for row in target.contributions:
                sign = "-" if row.sign < 0 else "+"
                writer.writerow(
                    [target.target, row.source, sign, f"{row.size:.6g}", f"{row.mean:.6g}"]
                )
        return out.getvalue()


def attribute_run(
    run: Path | str,
    data: Trajectories | None = None,
    *,
    targets: Sequence[str] | None = None,
    horizon: float | int | None = None,
) -> AttributionResult:
    """Attribute rates of change to regulators, or a forecast to the genes at its start.

    Parameters
    ----------
    run
        A finished run folder.
    data
        Observed states; those of the run by default. Genes are matched by name.
    targets
        Genes to explain; all by default.
    horizon
        Explain the state after this time (time units) instead of the rates of change.

    Raises
    ------
    RunFolderError
        If the run is not finished, or has no data of its own and none is given.
    ConfigError
        If a target is unknown or the horizon is not positive.
    """
    model = load_model(run)
    if data is None:
        inputs = open_run(Path(run))[2]
        if inputs is None:
            raise RunFolderError(f"{run} was not fitted from a file; give DATA as well.")
        data = read_material(inputs.expression_only()).data
    states = observed_states(model, data.select_genes(model.genes))
    if horizon is None:
        found = field_contributions(model, states, targets=targets)
        about, unit = "rates of change (without own decay)", "data units per time unit"
    else:
        found = _flow(model, states, targets, horizon)
        about, unit = f"the state {horizon:g} time units later", "data units"
    note = (
        "the field is homogeneous, so one gradient is exact, from zero."
        if found.degree is not None
        else "contributions count from the mean state, since the field is not homogeneous."
    )
    return AttributionResult(
        about=about,
        unit=unit,
        method=found.method,
        note=note,
        degree=found.degree,
        nodes=found.nodes,
        gap=found.gap,
        samples=states.shape[1],
        targets=_by_target(found, model.genes, targets),
    )


def _flow(
    model: FittedModel,
    states: Float[Tensor, "gene state"],
    targets: Sequence[str] | None,
    horizon: float | int,
) -> MapAttribution:
    if not (math.isfinite(horizon) and horizon > 0):
        raise ConfigError(f"the horizon is {horizon:g}; expected a time after the start, above 0.")

    field = frozen(model.field)

    def flow(start: Tensor) -> Tensor:
        gaps = torch.full_like(start[0], horizon)
        return solve(field, start, gaps=gaps, method=model.method)

    return flow_attribution(
        flow,
        states,
        baseline=states.mean(1),
        nodes=_FLOW_NODES,
        targets=gene_places(model.genes, targets),
    )


def _by_target(
    found: MapAttribution, genes: tuple[str, ...], targets: Sequence[str] | None
) -> tuple[TargetContributions, ...]:
    names = list(genes) if targets is None else list(targets)
    place = {gene: i for i, gene in enumerate(genes)}
    order = np.lexsort((-found.size, found.target))
    starts = np.searchsorted(found.target[order], [place[n] for n in names], side="left")
    ends = np.searchsorted(found.target[order], [place[n] for n in names], side="right")
    return tuple(
        TargetContributions(
            name,
            float(found.result[i]),
            float(found.baseline_result[i]),
            tuple(_contribution(genes[found.source[k]], found, k) for k in order[a:b].tolist()),
        )
        for i, (name, a, b) in enumerate(zip(names, starts, ends, strict=True))
    )


def _contribution(name: str, found: MapAttribution, at: int) -> Contribution:
    sign = -1 if found.slope[at] < 0 else 1
    return Contribution(name, float(found.mean[at]), float(found.size[at]), sign)


def attribute_program(
    path: Path | str,
    table: Path | str,
    *,
    targets: Sequence[int] | None = None,
    baseline: float | int | str = 0.0,
    nodes: int = 50,
) -> AttributionResult:
    """Attribute the outputs of an exported program to the columns of a table.

    Parameters
    ----------
    path
        File of ``torch.export.save``.
    table
        One sample per row, one feature per column, with a header; .csv or .tsv.
    targets
        Numbers of outputs, from 0; all by default, where they are few.
    baseline
        Where integrated gradients begin, for a model without a closed form: a number, or ``mean``
        for the mean of the table (units of the features).
    nodes
        Gradient evaluations per sample then (count).

    Raises
    ------
    InputError
        If the program, the table, or what they are asked for cannot be used.
    """
    program = load_program(Path(path))
    names, values = read_features(Path(table))
    if len(names) != math.prod(program.shape):
        raise InputError(
            f"{table} has {len(names)} columns, but {path} takes {math.prod(program.shape)} "
            f"numbers per sample (shape {program.shape}); give one column per input."
        )
    x = torch.as_tensor(values).to(program.dtype).reshape(-1, *program.shape)
    start = x.mean(0, keepdim=True) if baseline == "mean" else _number(baseline)
    with torch.no_grad():
        outputs = program.model(x[:1]).reshape(1, -1).shape[1]
    chosen = _outputs(targets, outputs, path)
    few = torch.arange(program.rows or min(4, len(x))) % len(x)
    report = homogeneity_report(program.inner, x[few])
    zero = not isinstance(start, Tensor) and start == 0
    closed = report.degree if report.holds and zero else None
    parts = [_one(program.model, x, t, closed, start, nodes) for t in chosen]
    note = (
        report.reason if zero else "the baseline is not zero, and the closed form knows no other."
    )
    return AttributionResult(
        about="the model's outputs",
        unit="units of the output",
        method=parts[0].method,
        note=note,
        degree=closed,
        nodes=parts[0].nodes,
        gap=_gap(parts),
        samples=len(x),
        targets=tuple(
            _of_output(str(t), part, names, x - start)
            for t, part in zip(chosen, parts, strict=True)
        ),
    )


def _one(
    model: torch.nn.Module,
    x: Tensor,
    target: int,
    degree: float | None,
    baseline: Tensor | float,
    nodes: int,
) -> Attribution:
    def flat(rows: Tensor) -> Tensor:
        found: Tensor = model(rows).reshape(len(rows), -1)
        return found

    if degree is not None:
        return xgrad(flat, x, target, degree=degree)
    chunk = max(1, (1 << 22) // x[0].numel())
    return integrated_gradients(flat, x, target, baseline=baseline, nodes=nodes, chunk=chunk)


def _of_output(
    name: str, found: Attribution, names: Sequence[str], inputs: Tensor
) -> TargetContributions:
    rows = found.value.flatten(1).double()
    mean, size = rows.mean(0), rows.abs().mean(0)
    way = inputs.flatten(1).double()
    sign = torch.where((rows * way).sum(0) < 0, -1, 1)
    return TargetContributions(
        name,
        float(found.score.double().mean()),
        float(found.baseline_score.double().mean()),
        tuple(
            Contribution(names[i], float(mean[i]), float(size[i]), int(sign[i]))
            for i in size.argsort(descending=True, stable=True).tolist()
        ),
    )


def _gap(parts: Sequence[Attribution]) -> float:
    missed = sum(float(completeness_gap(p).double().square().sum()) for p in parts)
    whole = sum(float((p.score - p.baseline_score).double().square().sum()) for p in parts)
    return math.sqrt(missed / whole if whole else missed)


def _number(text: float | int | str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise ConfigError(f"the baseline is '{text}'; expected a number, or 'mean'.") from error
    if not math.isfinite(value):
        raise ConfigError(f"the baseline is {value}; expected a finite number, or 'mean'.")
    return value


def _outputs(targets: Sequence[int] | None, outputs: int, path: Path | str) -> list[int]:
    if targets is None:
        if outputs > _MOST_TARGETS:
            raise ConfigError(
                f"{path} gives {outputs} outputs per sample; name those to explain with --target."
            )
        return list(range(outputs))
    for target in targets:
        if not 0 <= target < outputs:
            raise ConfigError(
                f"target {target} is out of range: {path} gives {outputs} outputs per sample, "
                "numbered from 0."
            )
    return list(dict.fromkeys(targets))
