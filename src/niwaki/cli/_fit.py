"""``niwaki fit``: the main job."""

from pathlib import Path
from typing import Annotated, Any

import typer

from niwaki.cli._main import app
from niwaki.cli._options import (
    Batch,
    Candidates,
    ConfigFile,
    Controls,
    Criterion,
    Epochs,
    Field,
    Force,
    Genes,
    Hidden,
    Json,
    Layer,
    Passes,
    Ppi,
    Prior,
    Quiet,
    Reference,
    Scope,
    Seed,
    Test,
    TimeKey,
    TrajectoryKey,
    TransposePrior,
    given,
)
from niwaki.cli._output import print_json, training_progress
from niwaki.cli._summary import print_record
from niwaki.core import ConfigError


@app.command(
    epilog="Example: niwaki fit expression.h5ad --prior prior.tsv --time-key pseudotime --out run"
)
def fit(
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="Expression over time: .h5ad, long or wide .csv/.tsv/.parquet, or PHOENIX format.",
        ),
    ] = None,
    prior: Prior = None,
    ppi: Ppi = None,
    reference: Reference = None,
    scope: Scope = None,
    test: Test = None,
    genes: Genes = None,
    time_key: TimeKey = None,
    trajectory_key: TrajectoryKey = None,
    layer: Layer = None,
    transpose_prior: TransposePrior = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="Run folder to make.")] = Path("run"),
    resume: Annotated[
        Path | None, typer.Option(help="Continue the interrupted run in this folder.")
    ] = None,
    force: Force = False,
    config: ConfigFile = None,
    field: Field = None,
    candidates: Candidates = None,
    trust: Annotated[
        float | None,
        typer.Option(help="Share of the prior's edges held true, instead of learning it."),
    ] = None,
    passes: Passes = None,
    members: Annotated[
        int | None, typer.Option(help="Refits to resampled trajectories, for the stability.")
    ] = None,
    criterion: Criterion = None,
    lambda1: Annotated[
        float | None,
        typer.Option("--lambda1", help="Weight of regulator interactions in the first layer."),
    ] = None,
    lambda2: Annotated[
        float | None, typer.Option("--lambda2", help="Weight of the prior in the output layer.")
    ] = None,
    hidden: Hidden = None,
    epochs: Epochs = None,
    learning_rate: Annotated[float | None, typer.Option(help="Adam's step.")] = None,
    batch: Batch = None,
    patience: Annotated[
        str | None, typer.Option(help="Epochs without progress before stopping, or 'never'.")
    ] = None,
    prior_loss: Annotated[
        float | None, typer.Option(help="Share of the PHOENIX prior loss, 0 to 1.")
    ] = None,
    prior_samples: Annotated[
        int | None, typer.Option(help="Random states per step that the prior loss looks at.")
    ] = None,
    shooting: Annotated[
        float | None,
        typer.Option(help="Share of the field's own forecast in the states that steps start from."),
    ] = None,
    warm_start: Annotated[
        int | None, typer.Option(help="Passes of gradient matching before training.")
    ] = None,
    solver: Annotated[str | None, typer.Option(help="etd4, etd2, rk4 or dopri5.")] = None,
    first_prune: Annotated[int | None, typer.Option(help="Epoch of the first prune.")] = None,
    first_amount: Annotated[float | None, typer.Option(help="Share pruned then.")] = None,
    period: Annotated[int | None, typer.Option(help="Epochs between later prunes.")] = None,
    amount: Annotated[float | None, typer.Option(help="Share of the rest pruned then.")] = None,
    target_sparsity: Annotated[
        float | None, typer.Option(help="Stop pruning at exactly this share of pruned weights.")
    ] = None,
    select: Annotated[
        str | None,
        typer.Option(
            help="Round to keep: posterior, one-se, best, last, a sparsity such as 0.95, or a "
            "round's number; with --resume, also of a finished run."
        ),
    ] = None,
    held_out: Annotated[
        float | None, typer.Option(help="Share of trajectories held out for selection.")
    ] = None,
    controls: Controls = None,
    seed: Seed = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    threads: Annotated[int | None, typer.Option(help="Processor threads.")] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Fit a sparse dynamic model to expression over time, guided by suspected edges."""
    options = dict(locals())
    from niwaki import experiment  # torch takes a second to load; --help should not wait for it
    from niwaki.report import write_report

    files = given(options, experiment.Inputs.model_fields)
    settings = given(options, experiment.FitConfig.model_fields)
    folder = out if resume is None else resume
    with training_progress(quiet or json) as progress:
        if resume is not None:
            wanted = settings.pop("select", None)
            _refuse({**files, **settings, "config": config, "force": force})
            record = experiment.resume(resume, select=wanted, progress=progress)
        else:
            if data is None:
                raise ConfigError("niwaki fit needs DATA, or --resume RUN to continue a run.")
            experiment.check_free(out, force=force)
            checked = experiment.load_config(config, settings, has_prior=prior is not None)
            inputs = experiment.make_inputs(files, "the command")
            record = experiment.fit(
                experiment.read_material(inputs),
                checked,
                out=out,
                inputs=inputs,
                force=force,
                progress=progress,
            )
    page = write_report(folder)
    if json:
        print_json(record.model_dump())
    else:
        print_record(record, folder, page)


def _refuse(options: dict[str, Any]) -> None:
    """Refuse options beside --resume that would have no effect."""
    useless = [name for name, value in options.items() if value or name == "controls"]
    if useless:
        name = min(useless).replace("_", "-")
        raise ConfigError(
            f"--resume takes everything from the run folder, so '{name}' would have no effect; "
            "drop it, or start a new run with another --out."
        )
