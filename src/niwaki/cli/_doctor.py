"""``niwaki doctor``: check inputs before training."""

from niwaki.cli._main import app
from niwaki.cli._options import (
    Batch,
    Candidates,
    ConfigFile,
    Controls,
    Criterion,
    Data,
    Epochs,
    Field,
    Genes,
    Hidden,
    Json,
    Layer,
    Passes,
    Ppi,
    Prior,
    Reference,
    Test,
    TimeKey,
    TrajectoryKey,
    TransposePrior,
    given,
)
from niwaki.cli._output import print_json, say
from niwaki.core import AlignmentReport


@app.command(epilog="Example: niwaki doctor expression.csv --prior prior.tsv")
def doctor(
    data: Data,
    prior: Prior = None,
    ppi: Ppi = None,
    reference: Reference = None,
    test: Test = None,
    genes: Genes = None,
    time_key: TimeKey = None,
    trajectory_key: TrajectoryKey = None,
    layer: Layer = None,
    transpose_prior: TransposePrior = False,
    config: ConfigFile = None,
    field: Field = None,
    candidates: Candidates = None,
    passes: Passes = None,
    criterion: Criterion = None,
    hidden: Hidden = None,
    epochs: Epochs = None,
    batch: Batch = None,
    controls: Controls = None,
    json: Json = False,
) -> None:
    """Check files before any training: what was understood, what looks wrong, what it will cost."""
    options = dict(locals())
    from niwaki import experiment

    inputs = experiment.make_inputs(given(options, experiment.Inputs.model_fields))
    chosen = given(options, experiment.FitConfig.model_fields)
    settings = experiment.load_config(config, chosen, has_prior=prior is not None)
    found = experiment.diagnose(experiment.read_material(inputs), settings)
    if json:
        print_json(found.model_dump())
        return
    about = found.data
    say(f"Expression   {about.file}: {about.genes} genes, {about.trajectories} trajectories,")
    say(
        f"             {about.observations} observations at times {about.first_time:g} to "
        f"{about.last_time:g}, values {about.minimum:.3g} to {about.maximum:.3g}"
    )
    say(f"Held out     {about.held_out}")
    for name, report in (
        ("Prior", found.prior),
        ("PPI", found.ppi),
        ("Reference", found.reference),
    ):
        if report is not None:
            _print_alignment(name, report)
    size = f"{found.parameters} parameters ({found.hidden} hidden units)"
    if not found.hidden:
        size = f"{found.data.genes} genes, each with a search for its regulators"
    say(
        f"Cost         about {_duration(found.seconds)} for {found.arms} fit(s) of "
        f"{size}, about "
        f"{found.megabytes:.0f} MB of memory"
    )
    hints = [h for r in (found.prior, found.ppi, found.reference) if r for h in r.hints]
    for note in [*found.notes, *hints]:
        say(f"! {note}")
    if not found.notes and not hints:
        say("Nothing looks wrong.")


def _print_alignment(name: str, report: AlignmentReport) -> None:
    say(
        f"{name:<13}{report.file}: {report.edges_kept} of {report.edges_read} edges, "
        f"{report.genes_shared} of {report.genes_read} genes and {report.regulators_found} of "
        f"{report.regulators_read} regulators are in the data; signs "
        f"{'given' if report.signed else 'not given'}, direction {report.orientation}"
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
