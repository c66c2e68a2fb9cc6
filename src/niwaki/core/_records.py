"""Records: torch-free results that a report, a table or a machine reads.

`RunRecord` is the content of ``record.json``; with ``path.tsv``, ``network.tsv`` and
``metrics.jsonl`` beside it, a report needs nothing else.
"""

import json
from typing import Any

from pydantic import Field, ValidationError

from niwaki.core._errors import RunFolderError
from niwaki.core._readings import AttributionSummary, Measured, MotifSummary, Record

RECORD_VERSION = 1
FIT, PRIOR_ALONE = "fit", "prior alone"  # methods of rows; those of controls name their prior


class NetworkScore(Record):
    """How one network agrees with a reference; shares are None where undefined.

    Attributes
    ----------
    method
        Which network: ``fit``, ``prior alone``, ``shuffled prior``, ``no prior``, ...
    edges
        Number of predicted edges inside the scored region; `mean_out_degree` divides it by the
        number of regulators that are scored.
    auprc
        Area under precision-recall of the edge weights; `auprc_ratio` divides it by the density
        of the reference, so 1 is chance.
    early_precision
        Precision among the strongest k edges, k being the number of reference edges.
    missing_found
        Share of the reference edges absent from the prior that the network contains
        (`missing` of them in all).
    false_rejected
        Share of the prior edges absent from the reference that the network does not contain
        (`false` of them in all).
    """

    method: str
    sparsity: float | None = None
    edges: int
    mean_out_degree: float
    precision: float | None
    recall: float | None
    f1: float | None
    balanced_accuracy: float | None
    auprc: float | None
    auprc_ratio: float | None
    early_precision: float | None
    missing: int | None = None
    missing_found: float | None = None
    false: int | None = None
    false_rejected: float | None = None


class ForecastScore(Record):
    """Mean squared errors of one predictor on one set (squared units of the data).

    `one_step_mse` goes from each observed state to the next; `rollout_mse` from each
    trajectory's first state through all its later times.
    """

    method: str
    data: str
    one_step_mse: float | None
    rollout_mse: float | None


class PathPoint(Record):
    """One round of the pruning path: the state after a prune and the training that followed.

    Attributes
    ----------
    round
        0 before the first prune.
    epoch
        The epoch of the best held-out loss within the round, whose weights were kept.
    sparsity
        Share of prunable weights that are zero.
    edges
        Gene-to-gene edges of the effective network.
    probability
        Posterior probability above which edges are part of it, for a gene-resolved field.
    held_out_loss, held_out_se
        Mean squared one-step error on held-out pairs and its standard error.
    score
        Agreement with the reference network, where one was given.
    """

    round: int
    epoch: int
    sparsity: float
    weights: int
    edges: int
    mean_out_degree: float
    probability: float | None = None
    train_loss: Measured
    held_out_loss: Measured
    held_out_se: Measured
    selected: bool = False
    score: NetworkScore | None = None


class ArmSummary(Record):
    """What one arm (the fit or a control refit with another prior) ended with.

    `difference_se` is the standard error of a control's held-out loss less the fit's, which are
    measured on the same pairs; None for the fit itself and in older records.
    """

    method: str
    epochs: int
    selected_round: int
    sparsity: float
    edges: int
    held_out_loss: Measured
    held_out_se: Measured
    difference_se: Measured | None = None


class RegulatorRow(Record):
    """One regulator of the fitted network.

    `strength` is the sum of absolute effective weights over its targets (per time unit).
    """

    gene: str
    targets: int
    strength: float
    prior_targets: int
    kept: int
    added: int
    removed: int


class EdgeEvidence(Record):
    """What a gene-resolved fit learned about its prior, and how its network stands to it.

    Attributes
    ----------
    prior_trust
        Share of the prior's edges that are true, learned from the data or set by hand.
    signs_hold
        Share of the prior's signs that sure edges bear out; None where it gives none.
    effect_size, effect_decay
        Deviation of the effect of a sole regulator (target units per regulator unit), and the
        factor by which every further regulator of a target shrinks it.
    kept, added, refuted, untested
        Edges of each status (count); see ``network.tsv``.
    """

    prior_trust: float | None
    signs_hold: float | None
    effect_size: float
    effect_decay: float
    kept: int
    added: int
    refuted: int
    untested: int


class GeneCurve(Record):
    """Observed and predicted expression of one gene along one trajectory."""

    gene: str
    trajectory: str
    held_out: bool
    times: list[float]
    observed: list[Measured]
    predicted_times: list[float]
    predicted: list[Measured]


class DataSummary(Record):
    """What was read: sizes, range and the origin of the numbers."""

    file: str
    genes: int
    trajectories: int
    observations: int
    pairs: int
    first_time: float
    last_time: float
    minimum: float
    maximum: float
    constant_genes: int
    held_out: str


class AlignmentReport(Record):
    """How a table of edges fits the genes of the expression data.

    Attributes
    ----------
    edges_read, edges_kept
        Edges in the file, and those with both genes in the data.
    genes_read, genes_shared
        Distinct gene names in the file, and those found in the data.
    regulators_read, regulators_found
        Distinct sources in the file, and those found in the data.
    orientation
        ``ok``, ``suspicious`` (looks transposed) or ``unknown``.
    hints
        Sentences for a person: case, suffix, duplicate, orientation, sign.
    """

    file: str
    edges_read: int
    edges_kept: int
    genes_read: int
    genes_shared: int
    regulators_read: int
    regulators_found: int
    signed: bool
    orientation: str
    hints: list[str] = Field(default_factory=list)


class Provenance(Record):
    """What made the result, for whoever must repeat it.

    Times (s) and memory (MB) are of the call that finished the run.
    """

    niwaki: str
    python: str
    torch: str
    platform: str
    device: str
    threads: int
    seed: int
    command: str
    inputs: dict[str, str] = Field(default_factory=dict)
    wall_seconds: float
    cpu_seconds: float
    peak_memory_mb: float | None = None


class RunRecord(Record):
    """All results of one ``niwaki fit``: the content of ``record.json``.

    `members` counts the refits to resampled trajectories behind the stability of edges.
    """

    version: int = RECORD_VERSION
    title: str
    criterion: str
    field: str
    lambda1: float
    lambda2: float
    selection: str
    data: DataSummary
    prior: AlignmentReport | None
    ppi: AlignmentReport | None = None
    reference: AlignmentReport | None = None
    path: list[PathPoint]
    arms: list[ArmSummary]
    networks: list[NetworkScore] = Field(default_factory=list)
    forecasts: list[ForecastScore]
    regulators: list[RegulatorRow]
    evidence: EdgeEvidence | None = None
    members: int = 0
    motifs: MotifSummary | None = None
    attribution: AttributionSummary | None = None
    curves: list[GeneCurve]
    edges_total: int
    edges_written: int
    solver_audit: float | None = None
    warnings: list[str] = Field(default_factory=list)
    provenance: Provenance

    def to_json(self) -> str:
        """Return the record as indented JSON; NaN and infinity become null."""
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str = "record.json") -> "RunRecord":
        """Return the record that `text` holds.

        Raises
        ------
        RunFolderError
            If the text is cut off, not a record, or of another version.
        """
        try:
            content: Any = json.loads(text)
        except json.JSONDecodeError as error:
            raise RunFolderError(
                f"{where} is not complete JSON (it breaks at line {error.lineno}); the file was "
                "cut off or edited, so run the fit again."
            ) from error
        version = content.get("version") if isinstance(content, dict) else None
        if version != RECORD_VERSION:
            raise RunFolderError(
                f"{where} has format version {version}, this Niwaki reads version "
                f"{RECORD_VERSION}; use the Niwaki that wrote it, or run the fit again."
            )
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise RunFolderError(
                f"{where} does not fit its format at '{place}' ({first['msg']}); run the fit again."
            ) from error
