"""The arms of a fit: the fit itself, the same with a shuffled prior, and with none."""

from dataclasses import replace
from pathlib import Path

from niwaki.core import FIT, EdgeIndex, Network
from niwaki.experiment._arm import ArmResult, Progress, train_arm
from niwaki.experiment._arm_state import Problem
from niwaki.experiment._edge_state import choose_candidates
from niwaki.experiment._folder import RunFolder
from niwaki.experiment._gene_arm import run_gene_arm
from niwaki.experiment._material import Material
from niwaki.experiment._prepare import has_controls
from niwaki.experiment._scoring import NO_PRIOR, SHUFFLED, shuffled_ppi, shuffled_prior


def run_arms(
    problem: Problem, material: Material, folder: RunFolder, progress: Progress | None
) -> dict[str, ArmResult]:
    """Run the fit and, where knowledge matters, the same fit with a shuffled and with no prior."""
    config = problem.config
    prior, ppi = networks_of(material)
    plans: list[tuple[str, Problem, Network | None, Network | None]] = [(FIT, problem, prior, ppi)]
    if prior is not None and has_controls(material, config):
        shuffled = shuffled_prior(prior, config.seed)
        mixed = None if ppi is None else shuffled_ppi(ppi, config.seed)
        plans.append((SHUFFLED, problem, shuffled, mixed))
        plans.append((NO_PRIOR, _without_knowledge(problem), None, None))
    results = {}
    for name, case, arm_prior, arm_ppi in plans:
        results[name] = run_arm(
            case,
            name,
            prior=arm_prior,
            ppi=arm_ppi,
            candidates=candidates_of(problem, prior),
            folder=folder.checkpoints(name.replace(" ", "_")),
            progress=progress,
        )
        folder.log(f"{name}: {results[name].epochs} epochs, {len(results[name].rounds)} rounds")
    return results


def networks_of(material: Material) -> tuple[Network | None, Network | None]:
    """Return the aligned prior and the regulator interactions, where given."""
    return tuple(a.network if a else None for a in (material.prior, material.ppi))  # type: ignore[return-value]


def candidates_of(problem: Problem, prior: Network | None) -> EdgeIndex:
    """Return the genes that may regulate in every arm of a fit."""
    return choose_candidates(problem.data, prior, problem.config.candidates)


def run_arm(
    problem: Problem,
    name: str,
    *,
    prior: Network | None,
    ppi: Network | None,
    candidates: EdgeIndex,
    folder: Path,
    progress: Progress | None = None,
) -> ArmResult:
    """Run one arm by search or by training, as its field asks.

    Parameters
    ----------
    problem
        Data, model choice and solver.
    name
        Label of the arm.
    prior, ppi
        Knowledge of this arm on the genes of the data, or None.
    candidates
        Genes that may regulate, for a field that is searched for.
    folder
        Existing folder for its checkpoints; what is found there is continued.
    progress
        Told about every epoch or pass.
    """
    if problem.config.field == "gene":
        return run_gene_arm(
            problem, name, prior=prior, candidates=candidates, folder=folder, progress=progress
        )
    return train_arm(problem, name, prior=prior, ppi=ppi, folder=folder, progress=progress)


def _without_knowledge(problem: Problem) -> Problem:
    """Return the problem of the control without a prior."""
    if problem.config.field == "gene":
        return problem
    bare = {"criterion": "magnitude", "prior_loss": 0.0}
    return replace(problem, config=problem.config.model_copy(update=bare))
