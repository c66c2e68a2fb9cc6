"""A regulatory system with known truth: Hill terms joined by AND and OR, decay and input genes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from niwaki.core import InputError, Network

States = Float[np.ndarray, "gene sample"]
Regulation = Float[np.ndarray, "regulated sample"]
Slots = Float[np.ndarray, "slot sample"]


@dataclass(frozen=True)
class Hill:
    """Activation of a target by one regulator, 0.5 at `ec50` and 1 at full expression.

    Attributes
    ----------
    regulator
        Name of the regulating gene.
    ec50
        Expression of half effect (share of full expression, between 0 and 1).
    exponent
        Steepness (dimensionless, positive).
    activates
        False for repression, which is one minus the activation.
    """

    regulator: str
    ec50: float
    exponent: float
    activates: bool = True

    def __post_init__(self) -> None:
        if not (0 < self.ec50 < 1 and 0 < self.exponent < np.inf):
            raise InputError(
                f"the regulation by '{self.regulator}' has EC50 {self.ec50:g} and exponent "
                f"{self.exponent:g}; expected an EC50 between 0 and 1 and a positive exponent."
            )


@dataclass(frozen=True)
class And:
    """Product of its parts; without parts it is 1."""

    parts: "tuple[Rule, ...]"


@dataclass(frozen=True)
class Or:
    """Probabilistic sum of its parts: ``a + b - a b`` for two."""

    parts: "tuple[Rule, ...]"


Rule = Hill | And | Or


def both(first: Rule, second: Rule) -> Rule:
    """Return ``first AND second``, with nested ANDs made flat."""
    parts = _parts(first, And) + _parts(second, And)
    return parts[0] if len(parts) == 1 else And(parts)


def either(first: Rule, second: Rule) -> Rule:
    """Return ``first OR second``, with nested ORs made flat."""
    return Or(_parts(first, Or) + _parts(second, Or))


def hill_terms(rule: Rule) -> tuple[Hill, ...]:
    """Return the Hill terms of `rule`, from left to right."""
    if isinstance(rule, Hill):
        return (rule,)
    return tuple(chain.from_iterable(hill_terms(part) for part in rule.parts))


@dataclass(frozen=True)
class RegulatorySystem:
    """``dx/dt = rule(x) - x`` for regulated genes; input genes stay where they start.

    Maximum rate, decay rate and time constant are 1, so a state that starts in [0, 1] stays there.

    Attributes
    ----------
    genes
        Gene names.
    rules
        The regulation of each gene, None for an input gene.

    References
    ----------
    .. [1] phoenix2024, simulation of the 350-gene network.
    """

    genes: tuple[str, ...]
    rules: tuple[Rule | None, ...]

    def __post_init__(self) -> None:
        if len(self.genes) != len(self.rules) or len(set(self.genes)) != len(self.genes):
            raise InputError("a regulatory system needs unique gene names and one rule per gene.")
        known = set(self.genes)
        for gene, rule in zip(self.genes, self.rules, strict=True):
            _check_rule(gene, rule, known)

    @property
    def regulated(self) -> Bool[np.ndarray, " gene"]:
        """Which genes have a rule; the others are input genes."""
        return np.array([rule is not None for rule in self.rules])

    @property
    def truth(self) -> Network:
        """The signed network of all regulations, +1 for activation and -1 for repression."""
        edges = {
            (hill.regulator, gene): 1.0 if hill.activates else -1.0
            for gene, rule in zip(self.genes, self.rules, strict=True)
            if rule is not None
            for hill in hill_terms(rule)
        }
        return Network.from_edges(
            [source for source, _ in edges],
            [target for _, target in edges],
            weight=list(edges.values()),
            genes=self.genes,
            signed=True,
        )

    def regulation(self, states: States) -> Regulation:
        """Return the regulation of the regulated genes (rows in gene order), for every sample."""
        return self._program.run(states)

    @cached_property
    def _program(self) -> "_Program":
        return _compile(self.genes, self.rules)


class _Level(NamedTuple):
    """Nodes whose children are all computed: one product each, of parts or of their complements."""

    slots: Int[np.ndarray, " node"]
    is_or: Bool[np.ndarray, " node"]
    children: Int[np.ndarray, " child"]
    first_child: Int[np.ndarray, " node"]
    child_of_or: Bool[np.ndarray, " child"]


class _Program(NamedTuple):
    """All rules as whole-array steps: Hill terms first, then AND and OR, level by level."""

    regulator: Int[np.ndarray, " hill"]
    half: Float[np.ndarray, " hill"]
    exponent: Float[np.ndarray, " hill"]
    represses: Bool[np.ndarray, " hill"]
    levels: tuple[_Level, ...]
    outputs: Int[np.ndarray, " regulated"]
    slots: int

    def run(self, states: States) -> Regulation:
        """Return the value of every rule, in the order of `outputs`."""
        values = np.empty((self.slots, states.shape[1]))
        values[: len(self.regulator)] = self._hill_terms(states)
        for level in self.levels:
            parts = values[level.children]
            parts[level.child_of_or] = 1 - parts[level.child_of_or]
            products = np.multiply.reduceat(parts, level.first_child, axis=0)
            products[level.is_or] = 1 - products[level.is_or]
            values[level.slots] = products
        outputs: Regulation = values[self.outputs]
        return outputs

    def _hill_terms(self, states: States) -> Slots:
        """Return the Hill terms in a form without the usual constant, which is singular at 0.5.

        With ``h = EC50^n``, ``B x^n / (B - 1 + x^n)`` and ``B = (h - 1) / (2 h - 1)`` are
        ``(1 - h) x^n / (h + (1 - 2 h) x^n)``.
        """
        half = self.half[:, None]
        power = np.maximum(states[self.regulator], 0.0) ** self.exponent[:, None]
        active: Slots = (1 - half) * power / (half + (1 - 2 * half) * power)
        active[self.represses] = 1 - active[self.represses]
        return active


def _parts(rule: Rule, kind: type[And] | type[Or]) -> tuple[Rule, ...]:
    return rule.parts if isinstance(rule, kind) else (rule,)


def _is_whole(rule: Rule) -> bool:
    if isinstance(rule, Hill):
        return True
    return bool(rule.parts) and all(_is_whole(part) for part in rule.parts)


def _check_rule(gene: str, rule: Rule | None, known: set[str]) -> None:
    signs: dict[str, bool] = {}
    if rule is not None and not _is_whole(rule):
        raise InputError(
            f"the rule of gene '{gene}' has a part without any regulator; write 'input gene' for a "
            "gene that nothing regulates."
        )
    for hill in hill_terms(rule) if rule is not None else ():
        if hill.regulator not in known:
            raise InputError(
                f"gene '{gene}' is regulated by '{hill.regulator}', which is not a gene of the "
                "system; add its line (for instance as 'input gene') or correct the name."
            )
        if signs.setdefault(hill.regulator, hill.activates) != hill.activates:
            raise InputError(
                f"gene '{gene}' is both activated and repressed by '{hill.regulator}'; a signed "
                "network needs one sign per edge."
            )


def _compile(genes: Sequence[str], rules: Iterable[Rule | None]) -> _Program:
    """Lay all rules out as slots of one array."""
    roots = [rule for rule in rules if rule is not None]
    hills = [hill for root in roots for hill in hill_terms(root)]
    nodes: list[list[tuple[int, bool, list[int]]]] = []
    counters = [0, len(hills)]  # next Hill term, next free slot

    def place(rule: Rule) -> tuple[int, int]:
        """Return the slot and the level of `rule`, after placing its parts."""
        if isinstance(rule, Hill):
            counters[0] += 1
            return counters[0] - 1, 0
        placed = [place(part) for part in rule.parts]
        level = 1 + max(height for _, height in placed)
        while len(nodes) < level:
            nodes.append([])
        counters[1] += 1
        slot = counters[1] - 1
        nodes[level - 1].append((slot, isinstance(rule, Or), [child for child, _ in placed]))
        return slot, level

    outputs = [place(root)[0] for root in roots]
    index = {gene: i for i, gene in enumerate(genes)}
    exponent = np.array([hill.exponent for hill in hills], dtype=float)
    return _Program(
        regulator=np.array([index[hill.regulator] for hill in hills], dtype=np.int64),
        half=np.array([hill.ec50 for hill in hills], dtype=float) ** exponent,
        exponent=exponent,
        represses=np.array([not hill.activates for hill in hills], dtype=bool),
        levels=tuple(_level(entries) for entries in nodes),
        outputs=np.array(outputs, dtype=np.int64),
        slots=counters[1],
    )


def _level(entries: list[tuple[int, bool, list[int]]]) -> _Level:
    sizes = np.array([len(children) for _, _, children in entries])
    is_or = np.array([flag for _, flag, _ in entries])
    return _Level(
        slots=np.array([slot for slot, _, _ in entries]),
        is_or=is_or,
        children=np.array([child for _, _, children in entries for child in children]),
        first_child=np.concatenate([[0], np.cumsum(sizes)[:-1]]),
        child_of_or=np.repeat(is_or, sizes),
    )
