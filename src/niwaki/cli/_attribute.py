"""``niwaki attribute``: what the targets of a model rest on."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from niwaki.cli._main import app
from niwaki.cli._options import Force, Genes, Json, Layer, TimeKey, TrajectoryKey
from niwaki.cli._output import print_json, print_table, say
from niwaki.core import ConfigError, InputError, storage_error, write_atomic

if TYPE_CHECKING:  # it loads torch
    from niwaki.experiment import AttributionResult, TargetContributions

_TABLE = "attribution.tsv"
_PLOTTED, _PRINTED = 8, 3


@app.command(epilog="Example: niwaki attribute run --target CLN2 --horizon 30 --out why")
def attribute(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL_OR_RUN", help="A finished run folder, or an exported .pt2."),
    ],
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="Expression data (default: the run's own), or a table of features for a .pt2.",
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(help="Gene, or number of an output from 0; give the option again for more."),
    ] = None,
    horizon: Annotated[
        float | None,
        typer.Option(help="Runs: explain the state this much later, not the rate of change."),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(help="Programs without a closed form: a number or 'mean'. Default: 0."),
    ] = None,
    nodes: Annotated[
        int | None,
        typer.Option(
            help="Programs without a closed form: gradients per sample. Default: 50.", min=1
        ),
    ] = None,
    top: Annotated[int, typer.Option(help="Sources shown per target.", min=1)] = 12,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the table and one plot per target.")
    ] = Path("attribution"),
    genes: Genes = None,
    time_key: TimeKey = None,
    trajectory_key: TrajectoryKey = None,
    layer: Layer = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Say what each target of a fitted run, or of any exported model, rests on, and how surely."""
    from niwaki import experiment
    from niwaki.data import read_expression

    _check_out(out, force)
    if model.is_dir():
        _refuse("a run", {"--baseline": baseline, "--nodes": nodes})
        states = None
        if data is not None:
            states = read_expression(
                data,
                genes_file=genes,
                time_key=time_key,
                trajectory_key=trajectory_key,
                layer=layer,
            ).trajectories
        found = experiment.attribute_run(model, states, targets=target, horizon=horizon)
    else:
        _refuse("an exported model", {"--horizon": horizon, "--layer": layer, "--genes": genes})
        if data is None:
            raise ConfigError("niwaki attribute needs DATA, a table of features, for a model file.")
        found = experiment.attribute_program(
            model,
            data,
            targets=None if target is None else [_place(name) for name in target],
            baseline=0.0 if baseline is None else baseline,
            nodes=nodes or 50,
        )
    files = _write(found, out, top, named=target is not None)
    if json:
        print_json(_as_json(found, files, top))
    else:
        _show(found, files, top, out=out)


def _check_out(out: Path, force: bool) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; name a folder.")
    if (out / _TABLE).exists() and not force:
        raise InputError(f"{out / _TABLE} exists; add --force, or name another folder with --out.")


def _refuse(what: str, options: dict[str, object]) -> None:
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise ConfigError(f"{given[0]} has no meaning for {what}; leave it out.")


def _place(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ConfigError(
            f"--target got '{text}'; expected the number of an output, from 0."
        ) from error


def _write(found: "AttributionResult", out: Path, top: int, *, named: bool) -> list[str]:
    """Write the table and the plots, and return their names."""
    from niwaki.report import write_bars

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(out, error) from error
    shown = found.targets if named else _largest(found, _PLOTTED)
    plots: list[str] = []
    for item in shown:
        rows = [(row.source, row.sign * row.size) for row in item.contributions[:top]]
        if rows:
            name = f"target-{re.sub(r'[^A-Za-z0-9._-]+', '_', item.target)[:80]}.svg"
            name = name if name not in plots else f"{name[:-4]}-{len(plots)}.svg"
            title = f"{item.target}: contributions to {found.about}"
            write_bars(
                out / name, title, rows, unit=f"mean size, with its direction ({found.unit})"
            )
            plots.append(name)
    write_atomic(out / _TABLE, found.table())
    return [_TABLE, *plots]


def _largest(found: "AttributionResult", count: int) -> "list[TargetContributions]":
    """Return the targets that move most."""
    return sorted(found.targets, key=lambda t: -sum(row.size for row in t.contributions))[:count]


def _show(found: "AttributionResult", files: list[str], top: int, *, out: Path) -> None:
    say(f"{found.method.capitalize()} of {found.about}: {found.note}")
    say(
        f"Over {found.samples} samples the contributions miss {found.gap:.2g} of what they explain."
    )
    for item in _largest(found, _PRINTED):
        say(f"\n{item.target}: mean {item.result:.4g}, at the baseline {item.baseline:.4g}")
        print_table(
            "",
            ["source", "direction", "mean size", "mean"],
            [
                (row.source, "-" if row.sign < 0 else "+", row.size, row.mean)
                for row in item.contributions[:top]
            ],
        )
    rest = len(found.targets) - _PRINTED
    if rest > 0:
        say(f"{rest} more targets are in the table.")
    say(f"Wrote {', '.join(files)} to {out}")


def _as_json(found: "AttributionResult", files: list[str], top: int) -> dict[str, object]:
    return {
        "about": found.about,
        "unit": found.unit,
        "method": found.method,
        "note": found.note,
        "degree": found.degree,
        "nodes": found.nodes,
        "gap": found.gap,
        "samples": found.samples,
        "files": files,
        "targets": [
            {
                "target": item.target,
                "result": item.result,
                "baseline": item.baseline,
                "contributions": [
                    {
                        "source": row.source,
                        "sign": row.sign,
                        "size": row.size,
                        "mean": row.mean,
                    }
                    for row in item.contributions[:top]
                ],
            }
            for item in found.targets
        ],
    }
