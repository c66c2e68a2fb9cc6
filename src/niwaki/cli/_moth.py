"""``niwaki benchmark moth``: from options to a plan, and the study in the terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from niwaki.cli._output import print_json, print_table, say, training_progress
from niwaki.core import ConfigError

if TYPE_CHECKING:  # it loads torch
    from niwaki.sweep import MothPlan, MothStudy

_QUIRKS = ("bias_at_weight_cutoff", "regrowth", "one_too_few", "repeated_batch")


def run_moth(
    networks: int,
    *,
    seed: int,
    out: Path | None,
    criterion: str,
    published: bool,
    quirks: Sequence[str],
    device: str,
    quick: bool,
    quiet: bool,
    json: bool,
) -> None:
    """Run the moth study and print it."""
    from niwaki import sweep

    plan = _plan(seed, criterion, published, quirks)
    with training_progress(quiet or json) as progress:
        study = sweep.benchmark_moth(
            networks, plan=plan, out=out, device=device, quick=quick, progress=progress
        )
    if json:
        print_json(study.model_dump())
    else:
        _print(study)


def _plan(seed: int, criterion: str, published: bool, quirks: Sequence[str]) -> "MothPlan":
    from niwaki import sweep

    names = [quirk.replace("-", "_") for quirk in quirks]
    unknown = [quirk for quirk, name in zip(quirks, names, strict=True) if name not in _QUIRKS]
    if unknown:
        known = ", ".join(name.replace("_", "-") for name in _QUIRKS)
        raise ConfigError(f"quirk '{unknown[0]}' is unknown; there are {known}.")
    slips = sweep.Quirks(**dict.fromkeys(names, True))
    if not published:
        return sweep.MothPlan(seed=seed, criterion=criterion, quirks=slips)
    return sweep.MothPlan(
        seed=seed,
        criterion=criterion,
        quirks=slips,
        flights=1_000_000,
        first=50_000,
        stage=sweep.TrainPlan(most=8_000),
        sparsities=sweep.PUBLISHED_SPARSITIES,
    )


def _print(study: "MothStudy") -> None:
    if study.quick:
        say("Quick form: few updates; the numbers mean nothing.")
    print_table(
        f"Moth study, {study.criterion}: median error, and mean cosine between motif profiles",
        (
            "sparsity",
            "networks",
            "MSE",
            "live edges",
            "cosine, uniform null",
            "cosine, degree null",
        ),
        [
            (
                f"{c.sparsity:.0%}",
                c.networks,
                c.mse,
                sum(r.edges for r in study.rows if r.stage == c.stage) / c.networks,
                c.cosine["uniform"],
                c.cosine["degree"],
            )
            for c in study.convergence
        ],
    )
    chosen = [row for row in study.rows if row.selected]
    if chosen:
        print_table(
            "Sparsest stage of each network with an error of at most 0.001",
            ("network", "sparsity", "effective", "MSE", "edges", "live nodes per layer"),
            [
                (
                    r.network,
                    f"{r.sparsity:.0%}",
                    f"{r.effective_sparsity:.1%}",
                    r.mse,
                    r.edges,
                    " ".join(map(str, r.live)),
                )
                for r in chosen
            ],
        )
        inputs = {
            name: sum(r.inputs[name] for r in chosen) / len(chosen) for name in chosen[0].inputs
        }
        ordered = sorted(inputs.items(), key=lambda item: -item[1])
        say("Edges that each input keeps there: " + ", ".join(f"{n} {s:.1%}" for n, s in ordered))
    if study.published:
        say("Means at 93 % over the published ones: " + _ratios(study.published))


def _ratios(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {ratio:.2f}" for name, ratio in values.items())
