"""``niwaki simulate``: a study whose true network is known."""

from pathlib import Path
from typing import Annotated

import typer

from niwaki.cli._main import app
from niwaki.cli._options import Force, Json
from niwaki.cli._output import print_json, say


@app.command(epilog="Example: niwaki simulate study --genes 200 --noise 0.05 --moved 0.1")
def simulate(
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to write to.")],
    genes: Annotated[int, typer.Option(help="Genes.", min=3)] = 100,
    trajectories: Annotated[int, typer.Option(help="Samples followed over time.", min=1)] = 60,
    noise: Annotated[float, typer.Option(help="Noise (values run from 0 to 1).", min=0)] = 0.025,
    moved: Annotated[
        float, typer.Option(help="Share of the prior's edges moved to wrong places.", min=0, max=1)
    ] = 0.2,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.", min=0)] = 0,
    force: Force = False,
    json: Json = False,
) -> None:
    """Simulate a gene network: expression, test expression, true network and a corrupted prior."""
    from niwaki import experiment

    inputs = experiment.write_example(
        out,
        genes=genes,
        trajectories=trajectories,
        noise=noise,
        moved=moved,
        seed=seed,
        force=force,
    )
    if json:
        print_json(inputs.model_dump(exclude_none=True))
        return
    say(f"Wrote expression.csv, test.csv, prior.tsv and truth.tsv to {out}. Next:")
    say(f"  niwaki fit {inputs.data} --prior {inputs.prior} --reference {inputs.reference}")
