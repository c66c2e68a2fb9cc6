"""``niwaki motifs``: the wiring of a network against random networks."""

from pathlib import Path
from typing import Annotated

import typer

from niwaki.cli._main import app
from niwaki.cli._options import Json
from niwaki.cli._output import print_json, print_table, say
from niwaki.core import InputError, MotifSummary, write_atomic

_COLUMNS = ("motif", "pattern", "null", "observed", "expected", "sd", "z", "ratio", "p", "FDR")


@app.command(epilog="Example: niwaki motifs model.safetensors --plot motifs.svg")
def motifs(
    network: Annotated[
        str,
        typer.Argument(
            metavar="FILE_OR_RUN",
            help="Weights (.safetensors, .npz, .npy), a table of edges, or a run folder.",
        ),
    ],
    null: Annotated[
        list[str] | None,
        typer.Option(
            help="uniform, degree or min-degree; give the option again for more. "
            "Default: uniform and degree."
        ),
    ] = None,
    samples: Annotated[int, typer.Option(help="Random networks per sampled null.")] = 1_000,
    induced: Annotated[
        bool, typer.Option("--induced", help="Leave out motifs inside denser ones (layers only).")
    ] = False,
    layered: Annotated[
        bool, typer.Option("--layered", help="Read a table of edges as layers, without cycles.")
    ] = False,
    no_biases: Annotated[
        bool, typer.Option("--no-biases", help="Leave out biases, which are nodes otherwise.")
    ] = False,
    instances: Annotated[
        Path | None,
        typer.Option(help="Write copies of the significant motifs, by node names, as TSV."),
    ] = None,
    copies: Annotated[int, typer.Option(help="Copies per motif to list.", min=1)] = 100,
    plot: Annotated[
        Path | None, typer.Option(help="Write the figure of all nulls as an .svg file.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.", min=0)] = 0,
    json: Json = False,
) -> None:
    """Count all motifs of a network exactly and hold them against random networks."""
    from niwaki import experiment
    from niwaki.motifs import summarise_motifs

    graph = experiment.read_graph(network, layered=layered, biases=not no_biases)
    found = summarise_motifs(
        graph,
        nulls=null or ["uniform", "degree"],
        samples=samples,
        rng=seed,
        induced=induced,
        copies=copies,
    )
    figure = "" if plot is None else _figure(found)
    if plot is not None:
        write_atomic(plot, figure)
    if instances is not None:
        write_atomic(instances, _table(found))
    if json:
        print_json(found.model_dump())
        return
    _print(network, found)
    for what, path in (("Copies", instances), ("Figure", plot)):
        if path is not None:
            say(f"{what:<8} {path}")


def _print(network: str, found: MotifSummary) -> None:
    from niwaki.report import motif_words

    say(f"{network}: {found.nodes:,} nodes, {found.edges:,} edges ({found.kind})")
    if found.nominal_sparsity is not None and found.effective_sparsity is not None:
        say(
            f"Sparsity {found.nominal_sparsity:.2%} as given, {found.effective_sparsity:.2%} of "
            f"what a signal passes; live nodes per layer {', '.join(map(str, found.live))}"
        )
    for note in found.notes:
        say(f"! {note}")
    if not found.rows:
        return
    print_table(
        f"Motifs against random networks ({found.samples} per sampled null)",
        _COLUMNS,
        [
            (
                r.motif,
                r.pattern,
                r.null,
                f"{r.observed:,}",
                f"{r.mean:,.1f}",
                f"{r.sd:,.1f}",
                "fixed" if r.fixed else r.z,
                r.ratio,
                r.p,
                r.q,
            )
            for r in found.rows
            if r.observed or r.mean
        ],
    )
    for sentence in motif_words(found):
        say(sentence)


def _table(found: MotifSummary) -> str:
    """Return copies of motifs as TSV."""
    lines = ["motif\ta\tb\tc\td"]
    for motif, copies in found.instances.items():
        lines += ["\t".join([motif, *nodes, *[""] * (4 - len(nodes))]) for nodes in copies]
    return "\n".join(lines) + "\n"


def _figure(found: MotifSummary) -> str:
    from niwaki.report import motif_svg

    drawn = motif_svg(found)
    if drawn is None:
        raise InputError(
            "every motif is fixed by every null that was asked for, so there is nothing to draw; "
            "leave --plot out, or take --null uniform."
        )
    return drawn
