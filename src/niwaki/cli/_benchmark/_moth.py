"""``niwaki benchmark moth``: from options to a plan, and the study in the terminal."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from niwaki.cli._benchmark._group import OneSeed, Quick, group
from niwaki.cli._options import Json, Quiet
from niwaki.cli._output import print_json, print_table, say, training_progress
from niwaki.core import ConfigError, MothStudy

if TYPE_CHECKING:  # it loads torch
    from niwaki.sweep import MothPlan

_FOLDER = "moth-study"
_QUIRKS = ("bias_at_weight_cutoff", "regrowth", "one_too_few", "repeated_batch")


@group.command(epilog="Example: niwaki benchmark moth --networks 4 --out moth-study")
def moth(
    networks: Annotated[int, typer.Option(help="How many networks to train and prune.", min=1)] = 4,
    seed: OneSeed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder; the same command continues it. Default: moth-study.",
        ),
    ] = None,
    criterion: Annotated[
        str, typer.Option(help="magnitude, random, snip, grasp, synflow, taylor or movement.")
    ] = "magnitude",
    published: Annotated[
        bool, typer.Option("--published", help="The published schedule, about three times longer.")
    ] = False,
    quirk: Annotated[
        list[str] | None,
        typer.Option(
            help="Repeat a slip of the released code: bias-at-weight-cutoff, regrowth, one-too-few "
            "or repeated-batch; give the option again for more."
        ),
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Train with products of fewer digits.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    quick: Quick = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train networks that steer a moth, prune them, and compare their motifs with chance."""
    from niwaki import sweep

    plan = _plan(seed, criterion, published, quirk or [], fast)
    folder = out or Path(_FOLDER + ("-quick" if quick else ""))
    with training_progress(quiet or json, "error") as progress:
        study = sweep.benchmark_moth(
            networks, plan=plan, out=folder, device=device, quick=quick, progress=progress
        )
    page = _written(folder, study, "" if out is None else f" --out {out}")
    if json:
        print_json(study.model_dump())
    else:
        _print(study)
        say(f"Report   {page}")
        say(f"Markdown {page.with_suffix('.md')}")


def is_moth(folder: Path) -> bool:
    """Return whether a folder holds a moth study."""
    return (folder / "plan.json").is_file() and not (folder / "record.json").exists()


def report_moth(folder: Path) -> Path:
    """Write the page of what a folder holds so far; return its path."""
    from niwaki import sweep

    return _written(folder, sweep.read_study(folder), f" --out {folder}")


def _written(folder: Path, study: MothStudy, where: str) -> Path:
    from niwaki.report import write_moth_report

    command = f"niwaki benchmark moth --networks {study.networks}{study.options}{where}"
    return write_moth_report(folder, study, command=command)


def _plan(
    seed: int, criterion: str, published: bool, quirks: Sequence[str], fast: bool
) -> "MothPlan":
    from niwaki import sweep

    names = [quirk.replace("-", "_") for quirk in quirks]
    unknown = [quirk for quirk, name in zip(quirks, names, strict=True) if name not in _QUIRKS]
    if unknown:
        known = ", ".join(name.replace("_", "-") for name in _QUIRKS)
        raise ConfigError(f"quirk '{unknown[0]}' is unknown; there are {known}.")
    slips = sweep.Quirks(**dict.fromkeys(names, True))
    plan = sweep.MothPlan(seed=seed, criterion=criterion, quirks=slips, fast=fast)
    if not published:
        return plan
    return replace(
        plan,
        flights=1_000_000,
        first=50_000,
        stage=sweep.TrainPlan(most=8_000),
        sparsities=sweep.PUBLISHED_SPARSITIES,
    )


def _print(study: MothStudy) -> None:
    from niwaki.report import moth_words

    print_table(
        f"Moth study, {study.criterion}: means over networks",
        ("sparsity", "networks", "MSE", "live edges", "cosine, edges kept", "cosine, degrees kept"),
        [
            (
                f"{s.sparsity:.0%}",
                s.networks,
                s.mse,
                f"{s.edges:,.0f}",
                s.cosine["uniform"],
                s.cosine["degree"],
            )
            for s in study.stages
        ],
    )
    for sentence in moth_words(study):
        say(sentence)
    if study.published:
        ratios = ", ".join(f"{r.quantity} {r.ratio:.2f}" for r in study.published)
        say(f"Means at 93 % over the published ones: {ratios}")
