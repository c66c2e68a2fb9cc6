"""``niwaki demo``: the main job on a simulated example."""

from pathlib import Path
from typing import Annotated

import typer

from niwaki.cli._main import app
from niwaki.cli._options import Force, Json, Quiet
from niwaki.cli._output import print_json, say, training_progress
from niwaki.cli._summary import print_record


@app.command(epilog="Example: niwaki demo --out demo")
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for data and run.")] = Path(
        "demo"
    ),
    genes: Annotated[int, typer.Option(help="Genes of the simulated network.", min=10)] = 100,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.", min=0)] = 0,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Simulate a small study with a partly wrong prior, fit it, and write the report."""
    from niwaki import experiment
    from niwaki.report import write_report

    run = out / "run"
    experiment.check_free(run, force=force)
    inputs = experiment.write_example(out / "data", genes=genes, seed=seed, force=force)
    if not json:
        say(
            f"Simulated {genes} genes; a fifth of the prior's edges are wrong on purpose. The same "
            "on files of your own:"
        )
        say(f"  niwaki fit {inputs.data} --prior {inputs.prior}")
    with training_progress(quiet or json) as progress:
        record = experiment.fit(
            experiment.read_material(inputs),
            experiment.FitConfig(seed=seed),
            out=run,
            inputs=inputs,
            force=force,
            progress=progress,
        )
    page = write_report(run)
    if json:
        print_json(record.model_dump())
    else:
        print_record(record, run, page)
