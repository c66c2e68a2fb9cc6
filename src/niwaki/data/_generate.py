"""Made-up gene networks with realistic wiring, as systems whose truth is known."""

import numpy as np
from jaxtyping import Float, Int

from niwaki.core import InputError, as_generator
from niwaki.data._system import Hill, RegulatorySystem, Rule, both, either

# Ranges of the 350-gene benchmark (phoenix2024): the generated systems are as steep as that one.
_EC50 = (0.4, 0.6)
_EXPONENT = (1.01, 1.70)
_TAIL = 1.5  # out-degrees fall off as degree^-(1 + tail), the 2.5 of a scale-free network


def generate_network(
    genes: int,
    rng: np.random.Generator | int | None,
    *,
    in_degree: float = 2.0,
    input_share: float = 0.2,
    regulator_share: float = 0.1,
    activation_share: float = 0.7,
    or_share: float = 0.5,
) -> RegulatorySystem:
    """Draw a regulatory system: scale-free out-degree, Hill regulation, AND/OR logic.

    Input genes and a further share of the genes are regulators. Every regulated gene draws one
    regulator or more, never itself; loops between genes may occur.

    Parameters
    ----------
    genes
        Number of genes; they are called ``G001``, ``G002``, ..., input genes first.
    rng
        Random generator or seed.
    in_degree
        Mean number of regulators of a regulated gene (at least 1).
    input_share
        Share of genes that stay constant (at least one gene).
    regulator_share
        Share of genes that regulate and are regulated.
    activation_share
        Probability that a regulation activates.
    or_share
        Probability that two regulations are joined by OR instead of AND.

    Raises
    ------
    InputError
        If a size or share is out of range.
    """
    _check(genes, in_degree, [input_share, regulator_share, activation_share, or_share])
    rng = as_generator(rng)
    names = tuple(f"G{i + 1:0{max(3, len(str(genes)))}d}" for i in range(genes))
    inputs = min(max(1, round(input_share * genes)), genes - 1)
    regulators = min(inputs + max(1, round(regulator_share * genes)), genes)
    fitness = 1.0 + rng.pareto(_TAIL, size=regulators)
    rules: list[Rule | None] = [None] * inputs
    for target in range(inputs, genes):
        sources = _draw_regulators(target, 1 + rng.poisson(in_degree - 1), fitness, rng)
        hills = [_draw_hill(names[i], activation_share, rng) for i in sources]
        rules.append(_join(hills, or_share, rng))
    return RegulatorySystem(names, tuple(rules))


def _draw_regulators(
    target: int, count: int, fitness: Float[np.ndarray, " regulator"], rng: np.random.Generator
) -> Int[np.ndarray, " chosen"]:
    """Draw different regulators in proportion to their fitness, leaving out the target itself."""
    weight = fitness.copy()
    if target < len(weight):
        weight[target] = 0.0
    count = min(count, int(np.count_nonzero(weight)))
    drawn = rng.choice(len(weight), size=count, replace=False, p=weight / weight.sum())
    return drawn.astype(np.int64)


def _draw_hill(regulator: str, activation_share: float, rng: np.random.Generator) -> Hill:
    ec50, exponent = float(rng.uniform(*_EC50)), float(rng.uniform(*_EXPONENT))
    return Hill(regulator, ec50, exponent, activates=bool(rng.random() < activation_share))


def _join(hills: list[Hill], or_share: float, rng: np.random.Generator) -> Rule:
    rule: Rule = hills[0]
    for hill in hills[1:]:
        rule = either(rule, hill) if rng.random() < or_share else both(rule, hill)
    return rule


def _check(genes: int, in_degree: float, shares: list[float]) -> None:
    if genes < 2:
        raise InputError(f"a network of {genes} genes was asked for; expected at least 2 genes.")
    if not 1 <= in_degree <= genes:
        raise InputError(
            f"a mean of {in_degree:g} regulators per gene was asked for; expected at least 1 and "
            f"at most the {genes} genes."
        )
    for share in shares:
        if not 0 <= share <= 1:
            raise InputError(f"a share of {share:g} was given; expected a number from 0 to 1.")
