"""Which edges the data and the prior support: smooth, prune and regrow, learn, again."""

from itertools import product

import numpy as np
from jaxtyping import Float, Int

from niwaki.core import Network, Trajectories
from niwaki.dynamics import (
    Couplings,
    JointSmoother,
    Kernel,
    Lattice,
    Panel,
    Path,
    Point,
    joint_size,
    smooth_alone,
)
from niwaki.experiment._edge_state import OUT, EdgeState, learn, log_odds_of, prior_tables
from niwaki.pruning import (
    Beliefs,
    EffectLaw,
    Judgement,
    Support,
    TargetData,
    Trust,
    judge,
    prune_and_regrow,
    regress,
)

_MOST_JOINT = 3_500  # corrections that are smoothed together; above, every gene is smoothed alone
_JOINT_EFFECT = 0.1  # of a pair, in units of a main effect, at one usual deviation of both

Features = list[Float[np.ndarray, "_trajectory _node candidate"]]


class EdgeSearch:
    """The search for the edges of all targets.

    Parameters
    ----------
    data
        Training trajectories.
    prior
        Aligned prior, or None.
    candidates
        Genes that may regulate.
    trust
        Share of true edges in the prior, set by hand; None learns it.
    """

    def __init__(
        self,
        data: Trajectories,
        prior: Network | None,
        candidates: Int[np.ndarray, " candidate"],
        *,
        trust: float | None = None,
    ) -> None:
        self.panel, self.candidates, self._fixed = Panel.from_trajectories(data), candidates, trust
        self._lattice = Lattice.of(self.panel)
        genes, count = self.panel.genes, len(candidates)
        self.prior, self.sign = prior_tables(prior, candidates, genes)
        self.possible = np.arange(genes)[:, None] != candidates
        values = np.concatenate([b.reshape(-1, genes) for b in self.panel.values])
        self.low, self.high = values.min(0), values.max(0)
        self._spread = (self.high - self.low)[candidates]
        moving = values.std(0)[values.std(0) > 0]
        usual = float(np.median(moving)) if moving.size else 1.0
        self.joint_variance = (_JOINT_EFFECT / usual) ** 2
        self._smoothers: list[JointSmoother] = []
        smoothed = smooth_alone(self.panel, self._lattice)
        blank = Trust() if trust is None else Trust(inside=(log_odds_of(trust), 0.0))
        shape = (genes, count)
        self.state = EdgeState(
            smoothed,
            [self._first_support(i, smoothed.kernels[i]) for i in range(genes)],
            EffectLaw(),
            blank,
            blank.log_odds(self.prior, np.zeros(shape)),
            np.maximum(1.0, self.prior.sum(1)),
            np.zeros(shape),
            np.full(shape, np.inf),
            np.zeros(shape),
            np.zeros(shape),
            np.zeros(shape),
        )
        self._centre()

    def _first_support(self, target: int, kernel: Kernel) -> Support:
        mine = np.flatnonzero(self.prior[target] & self.possible[target])
        few = len(mine) <= self.panel.rows // 4
        return Support([int(j) for j in mine] if few and kernel.rate > 0 else [])

    @property
    def kernels_tried(self) -> int:
        """Number of kernels that a search may look at (count)."""
        return self._lattice.size

    def step(self) -> None:
        """Smooth, prune and regrow every target, and learn law and trust again."""
        if not self.state.coefficients:
            self._begin()
        self._smooth()
        self._centre()
        for target in range(self.panel.genes):
            features = self.features(target)
            self.search_target(target, features)
            self._note(target, self._judge(target, features))
        learn(self.state, self.prior & self.possible, self.sign, self.possible, fixed=self._fixed)

    def _begin(self) -> None:
        """Fit every target on the prior's edges."""
        for target in range(self.panel.genes):
            features = self.features(target)
            self._tune(target, features)
            self._note(target, self._judge(target, features))

    def search_target(self, target: int, features: Features) -> None:
        """Prune and regrow one target, choose its kernel again, and once more prune and regrow."""
        for turn in range(2):
            if self.state.smoothed.kernels[target].rate == 0:
                return
            prune_and_regrow(*self.problem(target, features), self.state.supports[target])
            if turn == 0:
                self._tune(target, features)

    @property
    def joint(self) -> bool:
        """Whether all genes are smoothed together; above a size each is smoothed alone."""
        return joint_size(self.panel) <= _MOST_JOINT

    # ------------------------------------------------------------------------------ smoothing
    def _smooth(self) -> None:
        """Smooth all genes together where that is small enough, else leave them as they are."""
        smoothed, panel = self.state.smoothed, self.panel
        self._smoothers = []
        if not self.joint:
            return
        couplings = self._couplings()
        self._base = smoothed.paths
        for at, grid in enumerate(panel.grids):
            paths = smoothed.paths[at]
            full = paths[:, :, self.candidates] - self.middle[self.candidates]
            model = np.stack([self._model_path(t, at, full) for t in range(panel.genes)], 2)
            self._smoothers.append(
                JointSmoother(grid, panel.values[at], smoothed, paths, model, couplings)
            )
        smoothed.paths = [
            smoother.corrected(path)
            for smoother, path in zip(self._smoothers, self._base, strict=True)
        ]

    def _couplings(self) -> Couplings:
        """Return every chosen edge with its slope at the centre."""
        supports = self.state.supports
        parts = [
            (self.candidates[s.edges], np.full(len(s.edges), t), self._edge_weights(t))
            for t, s in enumerate(supports)
            if s.edges
        ]
        if not parts:
            empty = np.zeros(0, dtype=int)
            return Couplings(empty, empty, np.zeros(0))
        source, target, weight = (np.concatenate(each) for each in zip(*parts, strict=True))
        return Couplings(source, target, weight)

    def _edge_weights(self, target: int) -> Float[np.ndarray, " edge"]:
        return self.state.coefficients[target][2 : 2 + len(self.state.supports[target].edges)]

    def _model_path(self, target: int, at: int, full: Path) -> Float[np.ndarray, "trajectory node"]:
        """Return the path that a gene's own model gives, on one grid."""
        part = self.panel.grids[at].operators(self.state.smoothed.kernels[target])
        start, *rest = self.state.coefficients[target]
        path = np.tile(part.start * start, (len(full), 1))
        if not rest:
            return path
        support = self.state.supports[target]
        force = _columns([full], support)[0] @ np.array(rest)
        return np.asarray(path + force @ part.force.T)

    def _centre(self) -> None:
        """Measure every gene from its mean over all nodes."""
        paths = self.state.smoothed.paths
        total = sum(path.sum((0, 1)) for path in paths)
        self.middle = total / sum(path.shape[0] * path.shape[1] for path in paths)

    def features(self, target: int) -> Features:
        """Return the candidates' paths about their centre, without what the target says of them."""
        chosen = self.candidates
        if not self._smoothers:
            paths = self.state.smoothed.paths
            return [path[:, :, chosen] - self.middle[chosen] for path in paths]
        pairs = zip(self._base, self._smoothers, strict=True)
        return [
            path[:, :, chosen] - self.middle[chosen] + smoother.without(target, chosen)
            for path, smoother in pairs
        ]

    # ------------------------------------------------------------------------------ one target
    def problem(self, target: int, features: Features) -> tuple[TargetData, Beliefs]:
        """Return the regression of a target on all candidates, and what is believed before it."""
        return self.target_data(target, features), self.beliefs(target)

    def _data(
        self, target: int, kernel: Kernel, features: Features, columns: np.ndarray
    ) -> TargetData:
        panel = self.panel

        def joint(pairs: list[tuple[int, int]]) -> np.ndarray:
            first, second = np.array(pairs).T
            products = [f[:, :, first] * f[:, :, second] for f in features]
            return panel.white_features(kernel, products)

        base = [panel.white_start(kernel)]
        if kernel.rate > 0:
            ones = [np.ones((*f.shape[:2], 1)) for f in features]
            base.append(panel.white_features(kernel, ones)[:, 0])
        return TargetData(
            response=panel.white_target(kernel, target),
            base=np.stack(base, 1),
            candidates=columns,
            joint=joint,
            noise=float(self.state.smoothed.noise[target]),
        )

    def target_data(self, target: int, features: Features) -> TargetData:
        """Return the regression of a target on the columns of `features` alone."""
        kernel = self.state.smoothed.kernels[target]
        return self._data(target, kernel, features, self.panel.white_features(kernel, features))

    def beliefs(self, target: int) -> Beliefs:
        """Return what is believed of a target's regulators before its own data."""
        state = self.state
        return Beliefs(
            law=state.law,
            log_odds=state.prior_odds[target],
            sign=self.sign[target],
            sign_hold=state.trust.signs,
            crowd=float(state.crowd[target]),
            joint_log_odds=log_odds_of(state.joint_share),
            joint_variance=self.joint_variance,
            allowed=self.possible[target],
        )

    def _judge(self, target: int, features: Features) -> Judgement | None:
        """Return the final judgement of a target; None for a gene that does not move."""
        if self.state.smoothed.kernels[target].rate == 0:
            return None
        return judge(*self.problem(target, features), self.state.supports[target])

    def _note(self, target: int, found: Judgement | None) -> None:
        """Write a judgement into the tables."""
        state = self.state
        if len(state.coefficients) <= target:
            state.coefficients.append(np.zeros(0))
        if found is None:
            kernel = state.smoothed.kernels[target]
            base, seen = self.panel.white_start(kernel), self.panel.white_target(kernel, target)
            state.coefficients[target] = np.array([base @ seen / (base @ base)])
            state.error[target], state.estimate[target] = np.inf, 0.0
            moving = self._spread > 0  # a regulator that never moves says nothing of its targets
            state.factor[target], state.paired[target] = np.where(moving, OUT, 0.0), 0.0
            state.odds[target] = OUT
            return
        state.coefficients[target] = found.coefficients
        state.estimate[target], state.error[target] = found.estimate, found.error
        state.factor[target], state.odds[target] = found.log_bayes_factor, found.log_odds
        state.paired[target] = 0.0
        for pair, odds in found.pairs.items():
            state.paired[target, list(set(pair))] += max(odds, 0.0)

    def _tune(self, target: int, features: Features) -> None:
        """Climb the lattice of kernels to the highest evidence of the present support."""
        state = self.state
        point = state.smoothed.points[target]
        if point is None:
            return
        small = [f[:, :, state.supports[target].edges] for f in features]
        support = renumbered(state.supports[target])
        known: dict[Point, tuple[float, float]] = {}

        def evidence(at: Point) -> float:
            if at not in known:
                known[at] = self._evidence(target, self._lattice.kernel(*at), small, support)
            return known[at][0]

        for stride in (4, 1):
            moved = True
            while moved:
                near = _neighbours(point, self._lattice.shape, stride)
                best = max(near, key=evidence)
                moved = evidence(best) > evidence(point) + 1e-6
                point = best if moved else point
        kernel, noise = self._lattice.kernel(*point), known[point][1]
        for still in self._lattice.frozen():
            value, rest = self._evidence(target, still, small, Support())
            if value > evidence(point):
                state.supports[target], point, kernel, noise = Support(), None, still, rest
                break
        smoothed = state.smoothed
        smoothed.points[target], smoothed.kernels[target] = point, kernel
        smoothed.noise[target] = noise

    def _evidence(
        self, target: int, kernel: Kernel, features: Features, support: Support
    ) -> tuple[float, float]:
        """Return the log evidence of a kernel, and the noise that it leaves."""
        rows = self.panel.rows
        data = self._data(target, kernel, features, self.panel.white_features(kernel, features))
        for edge in support.edges:
            support.variances.setdefault(edge, float(self.first_variance(target)))
        fit = regress(data, support, joint_variance=self.joint_variance)
        value = fit.log_evidence(rows) - self.panel.log_det(kernel) / 2
        return value, max(fit.residual / rows, 1e-12)

    def first_variance(self, target: int) -> float:
        """Return the prior variance of an effect that has no estimate yet."""
        crowd = np.array(self.state.crowd[target])
        return float(self.state.law.deviations(crowd)[0] ** 2 + 0.01)


def _columns(
    features: Features, support: Support
) -> list[Float[np.ndarray, "_trajectory _node term"]]:
    """Return the force columns of a support: one, its edges, its pairs."""
    found = []
    for each in features:
        columns = [np.ones((*each.shape[:2], 1)), each[:, :, support.edges]]
        if support.pairs:
            first, second = np.array(support.pairs).T
            columns.append(each[:, :, first] * each[:, :, second])
        found.append(np.concatenate(columns, 2))
    return found


def renumbered(support: Support) -> Support:
    """Return the same support over its own edges only, as candidates 0, 1, ..."""
    place = {edge: k for k, edge in enumerate(support.edges)}
    return Support(
        list(range(len(place))),
        [(place[a], place[b]) for a, b in support.pairs],
        {place[e]: v for e, v in support.variances.items() if e in place},
    )


def _neighbours(point: Point, limits: Point, stride: int) -> list[Point]:
    """Return the lattice points beside a point, the rate moving by `stride`."""
    found = []
    for axis, step in product(range(4), (-1, 1)):
        place = list(point)
        place[axis] += step * (stride if axis == 0 else 1)
        if 0 <= place[axis] < limits[axis]:
            found.append((place[0], place[1], place[2], place[3]))
    return found
