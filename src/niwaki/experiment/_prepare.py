"""From material and a configuration to the problem that every arm solves."""

import numpy as np
from torch import nn

from niwaki.core import (
    AlignmentError,
    ConfigError,
    DataSummary,
    InputError,
    Trajectories,
    derived_seed,
)
from niwaki.data import Split, constant_genes, split
from niwaki.dynamics import DecayField, ModuleField, PairTensors, make_method
from niwaki.experiment._arm_state import Problem
from niwaki.experiment._config import KNOWLEDGE_CRITERIA, FitConfig
from niwaki.experiment._edge_state import MOST_REGULATORS
from niwaki.experiment._material import Material
from niwaki.experiment._model import check_module, field_factory

_SHARE_OF_TRAJECTORIES = 0.1
_SHARE_OF_STEPS = 0.2  # of a single trajectory, where a tenth would often be one pair


def split_data(data: Trajectories, config: FitConfig) -> Split:
    """Return training and held-out data as the configuration asks."""
    if isinstance(config.held_out, tuple):
        return split(data, held_out=config.held_out)
    several = sum(len(item.times) > 1 for item in data.items) > 1
    share = config.held_out or (_SHARE_OF_TRAJECTORIES if several else _SHARE_OF_STEPS)
    return split(data, share=share, rng=derived_seed(config.seed, "split"))


def make_problem(parts: Split, config: FitConfig, module: nn.Module | None = None) -> Problem:
    """Return the problem of a resolved configuration.

    Raises
    ------
    ConfigError
        If a user's `module` is not a chain of two linear layers over the genes, or the prior loss
        or a warm start is asked for with a field that has no drive.
    """
    pairs, judged = parts.train.pairs(), parts.held_out.pairs()
    make_field = field_factory(config, len(parts.train.genes), module)
    example = make_field()
    if isinstance(example, ModuleField):
        check_module(example, len(parts.train.genes))
    for what, name in (("the prior loss", "prior_loss"), ("a warm start", "warm_start")):
        if getattr(config, name) > 0 and not isinstance(example, DecayField):
            raise ConfigError(
                f"{what} needs the field phoenix, and this fit has '{config.field}'; leave out "
                f"{name} (--{name.replace('_', '-')}), or choose that field."
            )
    return Problem(
        config=config,
        genes=parts.train.genes,
        make_field=make_field,
        data=parts.train,
        pairs=pairs,
        train=PairTensors.from_pairs(pairs, device=config.device),
        held_out=PairTensors.from_pairs(judged, device=config.device),
        groups=judged.trajectory,
        method=make_method(config.solver, example),
    )


def check_choice(material: Material, config: FitConfig) -> list[str]:
    """Return notes where a choice has no effect on this material.

    Raises
    ------
    ConfigError
        If the criterion needs a prior and none was given.
    AlignmentError
        If no edge of the prior lies among the genes of the data.
    InputError
        If the test data holds no two times of one trajectory.
    """
    if material.test is not None:
        check_test(material.test)
    if config.criterion in KNOWLEDGE_CRITERIA and material.prior is None:
        raise ConfigError(
            f"criterion '{config.criterion}' needs a prior and none was given; add --prior FILE, "
            "or prune by the data alone with --criterion magnitude."
        )
    if material.prior is not None and len(material.prior.network) == 0:
        raise AlignmentError(
            f"{material.prior.report.file} has no edge with both genes in the expression data; "
            "check the gene names of both files with niwaki doctor."
        )
    notes = []
    if material.prior is not None and not config.uses_knowledge:
        weight = " with lambda 0" if config.criterion in KNOWLEDGE_CRITERIA else ""
        notes.append(
            f"The prior is only compared with: criterion '{config.criterion}'{weight} ignores it."
        )
    gene = config.field == "gene"
    regulators = material.prior.network.regulators() if gene and material.prior else ()
    if config.candidates == "auto" and len(regulators) > MOST_REGULATORS:
        notes.append(
            f"Only the {MOST_REGULATORS} regulators of the most targets in the prior are searched; "
            "all of them with --candidates prior, which takes more memory."
        )
    if material.ppi is not None and gene:
        notes.append("Interactions of regulators (PPI) have no effect on the field 'gene'.")
    if not config.uses_knowledge and config.controls and material.prior is not None:
        notes.append("Without knowledge in the fit there is no control to fit again.")
    return notes


def has_controls(material: Material, config: FitConfig) -> bool:
    """Say whether the fit is repeated with a shuffled prior and with none."""
    return config.controls and config.uses_knowledge and material.prior is not None


def check_test(test: Trajectories) -> None:
    """Raise `InputError` if the test data has no pair of times to be forecast."""
    try:
        test.pairs()
    except InputError as error:
        raise InputError(f"the test data: {error}") from error


def summarise(material: Material, parts: Split) -> DataSummary:
    """Return sizes, range and split of the expression data."""
    data = material.data
    values = data.stack()
    times = np.concatenate([item.times for item in data.items])
    held = len(parts.held_out.pairs())
    if parts.kind == "trajectories":
        what = f"{len(parts.held_out)} of {len(data)} trajectories ({held} pairs)"
    else:
        what = f"the last {held} steps of the only trajectory"
    return DataSummary(
        file=material.label,
        genes=len(data.genes),
        trajectories=len(data),
        observations=values.shape[0],
        pairs=len(data.pairs()),
        first_time=float(times.min()),
        last_time=float(times.max()),
        minimum=float(values.min()),
        maximum=float(values.max()),
        constant_genes=len(constant_genes(data)),
        held_out=what,
    )
