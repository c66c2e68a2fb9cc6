"""``niwaki distill``: a trained network as a wavelet and a linear model."""

from pathlib import Path
from typing import Annotated

import typer

from niwaki.cli._main import app
from niwaki.cli._options import Force, Json, Quiet
from niwaki.cli._output import print_json, print_table, say, training_progress


@app.command(epilog="Example: niwaki distill model.pt2 signals.npy --response y.csv --out wavelet")
def distill(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="A program saved by torch.export (.pt2), or its input gradients (.npy).",
        ),
    ],
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="Signals, one per row (.csv, .tsv, .npy), or images (.npy)."
        ),
    ],
    response: Annotated[
        Path | None,
        typer.Option(help="What to predict, one number per signal; default: the model's output."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")] = Path("wavelet"),
    taps: Annotated[int, typer.Option(help="Length of the filter, even.")] = 10,
    level: Annotated[
        int | None, typer.Option(help="Levels. Default: 4, fewer for short signals.")
    ] = None,
    mode: Annotated[
        str,
        typer.Option(help="Beyond the ends: zero, periodization, symmetric, reflect or periodic."),
    ] = "zero",
    attribution: Annotated[
        str, typer.Option(help="saliency, input_x_gradient or integrated_gradients.")
    ] = "saliency",
    target: Annotated[
        list[int] | None,
        typer.Option(help="Output of the model, counted from 0; may be repeated. Default: 0."),
    ] = None,
    compare: Annotated[
        str, typer.Option(help="Named wavelet to start from and to compare with.")
    ] = "db5",
    readout: Annotated[str, typer.Option(help="linear, ridge or lasso.")] = "linear",
    features: Annotated[
        str, typer.Option(help="top (coefficients of each band), all, or peaks (of images).")
    ] = "top",
    count: Annotated[int, typer.Option(help="Coefficients per band, for top.", min=1)] = 6,
    positions: Annotated[
        bool, typer.Option("--positions", help="Add where the largest coefficients stand.")
    ] = False,
    absolute: Annotated[
        bool, typer.Option("--absolute", help="Rank coefficients by absolute value.")
    ] = False,
    shifts: Annotated[
        bool, typer.Option("--shifts", help="Rank coefficients at every shift, for top of signals.")
    ] = False,
    per_level: Annotated[
        bool, typer.Option("--per-level", help="Give every level a filter of its own.")
    ] = False,
    per_axis: Annotated[
        bool, typer.Option("--per-axis", help="Give each axis of images a filter of its own.")
    ] = False,
    held_out: Annotated[
        float, typer.Option(help="Share of signals that only the final scores see.")
    ] = 0.25,
    points: Annotated[
        int, typer.Option(help="Points of the path from data alone to attributions alone.")
    ] = 20,
    beam: Annotated[int, typer.Option(help="Filters grown at a time; more searches longer.")] = 32,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.", min=0)] = 0,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Find the wavelet in which data and a model's attributions are both sparse."""
    from niwaki import experiment
    from niwaki.report import write_distill_report

    config = experiment.DistillConfig(
        taps=taps,
        level=level,
        mode=mode,
        attribution=attribution,
        per_level=per_level,
        per_axis=per_axis,
        targets=tuple(target or (0,)),
        compare=compare,
        readout=readout,
        features=features,
        count=count,
        positions=positions,
        signed=not absolute,
        shifts=shifts,
        held_out=held_out,
        points=points,
        beam=beam,
        seed=seed,
    )
    with training_progress(quiet or json, "objective") as progress:
        record = experiment.distill(
            model, data, response=response, config=config, out=out, force=force, progress=progress
        )
    page = write_distill_report(out)
    if json:
        print_json(record.model_dump())
        return
    for note in record.warnings:
        say(f"Note: {note}")
    if record.rows:
        print_table(
            f"{record.held_out} held-out samples, response: {record.response}",
            ("model", "parameters", "kept", "CV R2", "test R2", "CPU s, all in"),
            [(r.method, r.parameters, r.kept, r.cv_r2, r.test_r2, r.seconds) for r in record.rows],
        )
    chosen = next(p for p in record.path if p.selected)
    ratio = "infinity" if chosen.ratio is None else f"{chosen.ratio:.3g}"
    say(f"Chosen: gamma / lambda {ratio}; distance to {compare} {chosen.distance:.3f}")
    say(f"Wavelet  {out / 'wavelet.tsv'}")
    say(f"Report   {page}")
