"""``niwaki predict``: run a fitted model forwards."""

from pathlib import Path
from typing import Annotated

import typer

from niwaki.cli._main import app
from niwaki.cli._options import Genes, Json, Layer, TimeKey, TrajectoryKey
from niwaki.cli._output import print_json, say
from niwaki.core import ConfigError, RunFolderError


@app.command(epilog="Example: niwaki predict run --start new_donors.csv --times 0,2,4,8")
def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run folder.")],
    start: Annotated[
        str | None,
        typer.Option(help="Expression data whose first observations are the start states."),
    ] = None,
    times: Annotated[
        str | None, typer.Option(help="Times to predict, separated by commas; default: the data's.")
    ] = None,
    measured: Annotated[
        bool,
        typer.Option(
            "--measured",
            help="Start states are as noisy as the training data: set out from their estimates.",
        ),
    ] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write (.csv or .tsv).")] = Path(
        "predictions.csv"
    ),
    genes: Genes = None,
    time_key: TimeKey = None,
    trajectory_key: TrajectoryKey = None,
    layer: Layer = None,
    json: Json = False,
) -> None:
    """Predict expression over time from new start states, or from those of the run itself."""
    from niwaki import experiment
    from niwaki.data import read_expression, write_long

    if out.suffix not in (".csv", ".tsv"):
        raise ConfigError(f"--out got '{out}'; expected a file name that ends in .csv or .tsv.")
    model = experiment.load_model(run)
    if start is None:
        inputs = experiment.open_run(run)[2]
        if inputs is None:
            raise RunFolderError(f"{run} was not fitted from a file; give start states by --start.")
        starts = experiment.read_material(inputs.expression_only()).data
    else:
        starts = read_expression(
            start, genes_file=genes, time_key=time_key, trajectory_key=trajectory_key, layer=layer
        ).trajectories
    found = experiment.predict(
        model, starts, times=_numbers(times), measured=measured or start is None
    )
    write_long(found, out)
    rows = sum(len(item.times) for item in found.items)
    if json:
        print_json({"file": str(out), "trajectories": len(found), "observations": rows})
    else:
        say(f"Wrote {len(found)} trajectories, {rows} predicted states, to {out}")


def _numbers(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigError(
            f"--times got '{text}'; expected numbers separated by commas, such as 0,2,4."
        ) from error
