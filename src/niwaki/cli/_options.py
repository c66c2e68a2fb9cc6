"""Options that several commands share, declared once."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="Expression over time: .h5ad, long or wide .csv/.tsv/.parquet, or the PHOENIX format.",
    ),
]
Prior = Annotated[
    str | None,
    typer.Option("--prior", "-p", help="Suspected edges: edge list or matrix, with gene names."),
]
Ppi = Annotated[
    str | None,
    typer.Option(help="Regulator-regulator interactions; by default shared targets in the prior."),
]
Reference = Annotated[
    str | None,
    typer.Option(
        help="A known network to score against, such as ChIP-seq or a simulation's truth."
    ),
]
Scope = Annotated[
    str | None,
    typer.Option(
        help="Pairs that the reference judges: 'assayed' (regulators it has targets of; default, "
        "or what a run was fitted with) or 'all'."
    ),
]
Test = Annotated[str | None, typer.Option(help="Further expression data to test forecasts on.")]
Genes = Annotated[
    str | None, typer.Option(help="Gene-name file, for the PHOENIX format, which holds no names.")
]
TimeKey = Annotated[str | None, typer.Option(help="Column that holds time or pseudotime.")]
TrajectoryKey = Annotated[
    str | None, typer.Option(help="Column that tells samples, donors or branches apart.")
]
Layer = Annotated[str | None, typer.Option(help="AnnData layer to read instead of X.")]
TransposePrior = Annotated[
    bool, typer.Option("--transpose-prior", help="Swap sources and targets of the prior.")
]
Field = Annotated[
    str | None,
    typer.Option(
        help="gene (default): every weight is an edge; phoenix or mlp: hidden units, trained "
        "and pruned (the default where an option of training is given)."
    ),
]
Candidates = Annotated[
    str | None,
    typer.Option(help="Genes that may regulate: all, prior, or auto (all up to 1,000 genes)."),
]
Passes = Annotated[
    int | None, typer.Option(help="Passes of pruning and regrowth over all genes, at most.")
]
Criterion = Annotated[
    str | None,
    typer.Option(
        help="dash, dash-paper, knowledge, magnitude, random, snip, grasp, synflow or taylor "
        "(field phoenix)."
    ),
]
Hidden = Annotated[int | None, typer.Option(help="Hidden units per branch.")]
Epochs = Annotated[int | None, typer.Option(help="Passes over the data, at most.")]
Batch = Annotated[str | None, typer.Option(help="Pairs per optimisation step, or 'trajectory'.")]
Controls = Annotated[
    bool | None,
    typer.Option("--controls/--no-controls", help="Fit again with shuffled and no prior."),
]
Seed = Annotated[int | None, typer.Option(help="Seed of every random choice.", min=0)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress bars.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what an earlier call wrote there.")]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="TOML file with a [fit] table of options.")
]


def given(options: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return those of a command's arguments that are called so and were given.

    Parameters
    ----------
    options
        ``locals()`` of a command, before it made any variable of its own.
    names
        Arguments to pass on, such as the fields of a configuration.
    """
    return {name: options[name] for name in names if options.get(name) is not None}
