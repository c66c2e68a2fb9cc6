"""One arm on its own, with every round of its path at hand: what benchmarks look at."""

from dataclasses import dataclass
from pathlib import Path

from niwaki.core import FIT, Network
from niwaki.experiment._arm import ArmResult, Progress
from niwaki.experiment._arm_state import Problem
from niwaki.experiment._arms import candidates_of, networks_of, run_arm
from niwaki.experiment._config import FitConfig
from niwaki.experiment._gene_arm import load_edges
from niwaki.experiment._material import Material
from niwaki.experiment._network import read_out
from niwaki.experiment._predict import FittedModel
from niwaki.experiment._prepare import check_choice, make_problem, split_data
from niwaki.experiment._results import fitted_model
from niwaki.experiment._scoring import select_round
from niwaki.experiment._threads import use_threads


@dataclass(frozen=True)
class ArmRun:
    """A trained and pruned arm.

    Attributes
    ----------
    problem, result
        What was solved, and its rounds.
    chosen
        Position of the round that the selection rule keeps.
    """

    problem: Problem
    result: ArmResult
    chosen: int

    def model(self, at: int) -> FittedModel:
        """Return the model of the round at this position."""
        return fitted_model(self.problem, self.result, self.result.rounds[at].round)

    def ranking(self) -> Network | None:
        """Return all probable edges by their probability, if the field gives one."""
        gene = self.problem.config.field == "gene"
        return load_edges(self.result.folder).ranking(self.problem.genes) if gene else None

    def network(self, at: int) -> Network:
        """Return every edge of the model of the round at this position."""
        model = self.model(at)
        return read_out(model.field, model.masks, model.genes, limit=None).network


def run_rounds(
    material: Material, config: FitConfig, *, folder: Path, progress: Progress | None = None
) -> ArmRun:
    """Train and prune without controls or report.

    Parameters
    ----------
    material
        Expression and prior.
    config
        Choices of model, training and pruning.
    folder
        Existing folder for checkpoints, kept as long as the result is used.
    progress
        Told about every epoch.
    """
    resolved = config.resolve(len(material.data.genes))
    check_choice(material, resolved)
    with use_threads(resolved.threads or 1):
        problem = make_problem(split_data(material.data, resolved), resolved)
        prior, ppi = networks_of(material)
        result = run_arm(
            problem,
            FIT,
            prior=prior,
            ppi=ppi,
            candidates=candidates_of(problem, prior),
            folder=folder,
            progress=progress,
        )
    return ArmRun(problem, result, select_round(result.rounds, resolved, problem.groups))
