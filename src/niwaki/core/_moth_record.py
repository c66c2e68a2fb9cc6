"""What the moth study finds: networks, stages of pruning, and how alike networks are there."""

from niwaki.core._readings import MotifRow, Record


class MothRow(Record):
    """One network at one sparsity.

    Attributes
    ----------
    network, stage
        Number of the network, and of the prune (0 before the first).
    sparsity, effective_sparsity
        Share of weights and biases that are gone as planned, and that no signal passes.
    mse
        Mean squared test error (squared scaled units).
    updates
        Updates of the stage (count).
    selected
        Whether this is the sparsest stage of the network with an error of at most 1e-3.
    live
        Nodes that a signal passes, per layer, biases left out (counts).
    edges
        Edges that a signal passes (count).
    reachable2, reachable3
        Pairs of nodes joined by two and by three edges, the published chains (counts).
    coherent_diamonds
        Share of bi-parallels whose two ways have the same sign; None where there are none.
    inputs
        Share of its possible edges that each input keeps.
    motifs
        One row per motif and null.
    """

    network: int
    stage: int
    sparsity: float
    effective_sparsity: float
    mse: float
    updates: int
    selected: bool
    live: list[int]
    edges: int
    reachable2: int
    reachable3: int
    coherent_diamonds: float | None
    inputs: dict[str, float]
    motifs: list[MotifRow]


class MothMotif(Record):
    """One motif under one null over all networks of a stage.

    Attributes
    ----------
    motif, pattern, null
        See `MotifRow`.
    observed
        Mean count.
    z, z_sd
        Mean over networks, and standard deviation (None for one network); None where the null
        fixes the count in every network.
    ratio
        Mean of observed over expected.
    beyond
        Share of networks in which z is beyond 1.96 either way.
    """

    motif: str
    pattern: str
    null: str
    observed: float
    z: float | None
    z_sd: float | None
    ratio: float | None
    beyond: float


class MothStageRow(Record):
    """All networks at one sparsity.

    Attributes
    ----------
    stage, sparsity
        See `MothRow`.
    networks
        Networks that have come so far (count).
    mse, mse_low, mse_high
        Median, lowest and highest test error (squared scaled units).
    effective_sparsity, edges, live
        Means over networks.
    cosine
        Mean cosine between motif profiles under each null; None where it is not defined.
    coherent_diamonds
        Mean share; None where there are no bi-parallels.
    inputs
        Mean share of its possible edges that each input keeps.
    motifs
        One row per motif and null.
    cpu_seconds
        Processor time of the stage's training per network (s).
    """

    stage: int
    sparsity: float
    networks: int
    mse: float
    mse_low: float
    mse_high: float
    effective_sparsity: float
    edges: float
    live: list[float]
    cosine: dict[str, float | None]
    coherent_diamonds: float | None
    inputs: dict[str, float]
    motifs: list[MothMotif]
    cpu_seconds: float


class PublishedRow(Record):
    """A mean over networks at 93 % beside the published one.

    Attributes
    ----------
    quantity
        A motif, reachable pairs, edges, or live nodes of a layer.
    ours, published
        Means (counts).
    without_biases
        Ours once biases are left out, of which a slip of the released code pruned nearly all.
    """

    quantity: str
    ours: float
    without_biases: float
    published: float

    @property
    def ratio(self) -> float:
        """Ours over the published mean."""
        return self.ours / self.published


class MothStudy(Record):
    """All that the moth study finds.

    Attributes
    ----------
    rows
        One per network and stage.
    stages
        One per stage.
    published
        Means at 93 % beside the published ones; empty before that stage.
    criterion
        Which weights go.
    options
        Options of the command that differ from its defaults.
    networks, planned_stages
        Networks with at least one stage, and stages of each when it is done (counts).
    finished
        Whether every network has every stage.
    cpu_seconds, seconds
        Processor time and time by the clock of all training (s).
    notes
        What is to be known of these numbers.
    quick
        Whether the numbers mean nothing.
    """

    rows: list[MothRow]
    stages: list[MothStageRow]
    published: list[PublishedRow]
    criterion: str
    options: str
    networks: int
    planned_stages: int
    finished: bool
    cpu_seconds: float
    seconds: float
    notes: list[str]
    quick: bool = False
