"""The configuration of a fit: every choice that travels, checked once, kept in the run folder."""

import re
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from niwaki.core import ConfigError
from niwaki.dynamics import METHODS
from niwaki.experiment._toml import read_toml

Criterion = Literal[
    "posterior",
    "dash",
    "dash-paper",
    "magnitude",
    "knowledge",
    "random",
    "snip",
    "grasp",
    "synflow",
    "taylor",
]
Sparsifier = Literal["l1", "group-lasso", "c-node", "l0", "l0-units", "pathreg", "policy"]
Selection = Literal["posterior", "one-se", "best", "last"] | int | float
KNOWLEDGE_CRITERIA = ("dash", "dash-paper", "knowledge")
_OF_TRAINING = {
    *("hidden", "initialisation", "epochs", "learning_rate", "batch", "patience", "prior_loss"),
    *("prior_samples", "shooting", "warm_start"),
    *("criterion", "lambda1", "lambda2", "first_prune", "first_amount", "period", "amount"),
    *("target_sparsity", "paper_quirks", "rewind", "regrow", "sparsifier", "strength"),
}
NEVER = "never"  # how a file or an option writes a patience of None


class Settings(BaseModel):
    """Base of both parts of a configuration: frozen, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


T = TypeVar("T", bound=Settings)


class Inputs(Settings):
    """Files of a fit and how to read them.

    Attributes
    ----------
    data, prior, ppi, reference, test
        Paths of the expression data, the prior, regulator-regulator interactions, a known
        network to score against, and expression data to test forecasts on.
    genes
        Gene-name file, for formats that carry no names.
    time_key, trajectory_key, layer
        Column names, and the AnnData layer.
    transpose_prior
        Swap sources and targets of the prior.
    scope
        Region of gene pairs that a reference judges: ``assayed`` regulators only, or ``all``.
    """

    data: str
    prior: str | None = None
    ppi: str | None = None
    reference: str | None = None
    test: str | None = None
    genes: str | None = None
    time_key: str | None = None
    trajectory_key: str | None = None
    layer: str | None = None
    transpose_prior: bool = False
    scope: Literal["assayed", "all"] = "assayed"

    @property
    def paths(self) -> dict[str, str]:
        """Paths of the files given, by what they hold."""
        named = {name: getattr(self, name) for name in _FILES}
        return {name: path for name, path in named.items() if path}

    def expression_only(self) -> "Inputs":
        """Return the same without networks and test data."""
        dropped = dict.fromkeys(("prior", "ppi", "reference", "test"))
        return self.model_copy(update=dropped)

    def absolute(self) -> "Inputs":
        """Return the same files by absolute paths, valid from any working directory."""
        places = {name: str(Path(path).absolute()) for name, path in self.paths.items()}
        return self.model_copy(update=places)


_FILES = ("data", "prior", "ppi", "reference", "test", "genes")


class FitConfig(Settings):
    """How to fit and prune.

    Attributes
    ----------
    field
        ``gene``: every weight is an edge, found by its posterior probability, in closed form;
        ``phoenix`` or ``mlp``: hidden units, trained and pruned; ``module``: a module of the
        caller's own. By default ``gene``, or ``phoenix`` where a setting of training is given.
    candidates, trust, passes
        Of the field ``gene``: genes that may regulate (``all``, the ``prior``'s regulators, or
        all up to 1,000 genes), share of the prior's edges that are true (learned by default), and
        most passes over all targets (count).
    members
        Refits to resampled trajectories for the stability of edges (count): by default 50 for the
        field ``gene``, where they cost little, and none for trained fields.
    hidden, initialisation, solver
        The trained model; `hidden` units per branch (count), by default 4.3 times the root of the
        number of genes and at least 40 (80 at 350 genes, where the papers take 40: twice the units
        halve the test error of a fit [measured: ``niwaki benchmark sim350``]).
    epochs, learning_rate, batch, patience
        Training: passes over the data (count), Adam's step, pairs per batch (count, or
        ``trajectory``), and epochs without progress before stopping (count; None, in a file
        ``"never"``, never stops).
    prior_loss
        Share of the PHOENIX prior loss in the loss (dimensionless, 0 to 1).
    prior_samples
        Random states per step at which the prior loss compares model and prior (count).
    shooting
        Share of the field's own forecast in the states that steps start from (dimensionless, 0 to
        1; grows over the first 20 epochs), see `dynamics.shooting_starts`; 0 starts from the
        observations.
    warm_start
        Passes of gradient matching before the first epoch (count), see `dynamics.match_knots`.
    criterion, lambda1, lambda2
        Which weights go first (``dash`` by default, ``posterior`` for the field ``gene``); weight
        of knowledge in the first layer (regulator interactions) and in the output layer
        (regulator-target edges), 0 to 1 (dimensionless).
    first_prune, first_amount, period, amount, target_sparsity
        When and how much to prune: epoch of the first prune (count) and its share, epochs between
        later prunes (count) and their share of what remains, and where to stop (shares).
    rewind
        Epoch whose weights the survivors return to after each prune (count); None goes on from
        the present ones.
    regrow
        From the second prune on exchange weights instead of removing them: as many grow as fall,
        at ``random`` (SET) or by their ``gradient`` (RigL).
    sparsifier, strength
        Sparsify while training instead of by prunes (`pruning.Proximal`, `pruning.Gates`,
        `pruning.PolicyGates`), and how strongly (dimensionless); rounds are then stretches of
        training between the schedule's epochs. ``policy`` keeps ``1 - target_sparsity`` of the
        hidden units.
    select
        ``posterior``: edges more probable than not, or the nearest round that is not clearly worse
        than the best; ``one-se``: the sparsest round whose held-out loss is within one standard
        error of the best; ``best``: the lowest held-out loss; ``last``: the sparsest; a share: the
        round nearest to this sparsity; a whole number: the round of this number. By default
        ``posterior`` for the field ``gene`` and ``one-se`` for others.
    held_out
        Share of trajectories (or steps, where there is one trajectory) held out for selection, or
        positions of trajectories; by default 10 % of trajectories or 20 % of steps.
    controls
        Whether to fit again with a shuffled prior and with none.
    paper_quirks
        Keep the released code's misplaced learning-rate factor after prunes.
    max_edges
        Most edges written to ``network.tsv``, strongest first (count).

    References
    ----------
    .. [1] dash2024, released training script: schedule, learning rates, stopping.
    """

    field: Literal["gene", "phoenix", "mlp", "module"] | None = None
    candidates: Literal["auto", "all", "prior"] = "auto"
    trust: float | None = Field(default=None, gt=0, lt=1)
    passes: int = Field(default=4, ge=1)
    members: int | None = Field(default=None, ge=0)
    hidden: int | None = Field(default=None, ge=1)
    initialisation: Literal["dash", "phoenix"] = "dash"
    solver: str = "etd4"
    epochs: int = Field(default=200, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    batch: int | Literal["trajectory"] = 8
    patience: int | None = Field(default=40, ge=1)
    prior_loss: float = Field(default=0.0, ge=0, lt=1)
    prior_samples: int = Field(default=64, ge=1)
    shooting: float = Field(default=0.5, ge=0, lt=1)
    warm_start: int = Field(default=0, ge=0)
    criterion: Criterion | None = None
    lambda1: float = Field(default=0.8, ge=0, le=1)
    lambda2: float = Field(default=0.8, ge=0, le=1)
    first_prune: int = Field(default=3, ge=1)
    first_amount: float = Field(default=0.7, gt=0, lt=1)
    period: int = Field(default=10, ge=1)
    amount: float = Field(default=0.15, gt=0, lt=1)
    target_sparsity: float | None = Field(default=None, gt=0, lt=1)
    rewind: int | None = Field(default=None, ge=1)
    regrow: Literal["random", "gradient"] | None = None
    sparsifier: Sparsifier | None = None
    strength: float | None = Field(default=None, gt=0)
    select: Selection | None = None
    held_out: float | tuple[int, ...] | None = None
    controls: bool = True
    paper_quirks: bool = False
    max_edges: int = Field(default=200_000, ge=1)
    seed: int = Field(default=0, ge=0)
    device: str = "auto"
    threads: int | None = Field(default=None, ge=1)

    @field_validator("patience", mode="before")
    @classmethod
    def _read_patience(cls, value: object) -> object:
        return None if value == NEVER else value

    @field_validator("solver")
    @classmethod
    def _check_solver(cls, value: str) -> str:
        if value not in METHODS:
            raise ValueError(f"expected one of {', '.join(METHODS)}")
        return value

    @field_validator("device")
    @classmethod
    def _check_device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
            raise ValueError("expected auto, cpu, cuda or cuda:NUMBER")
        return value

    @field_validator("batch")
    @classmethod
    def _check_batch(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value < 1:
            raise ValueError("expected at least 1 pair, or 'trajectory'")
        return value

    @field_validator("select")
    @classmethod
    def _check_select(cls, value: str | int | float | None) -> object:
        if isinstance(value, float) and not 0 < value < 1:
            raise ValueError("expected a rule, a share of pruned weights, or the number of a round")
        if isinstance(value, int) and value < 0:
            raise ValueError("rounds are counted from 0")
        return value

    @field_validator("held_out")
    @classmethod
    def _check_held_out(cls, value: int | float | tuple[int, ...] | None) -> object:
        if isinstance(value, float) and not 0 < value < 1:
            raise ValueError("expected a share between 0 and 1, or positions of trajectories")
        return value

    def resolve(self, genes: int) -> "FitConfig":
        """Return the configuration with every automatic choice made for this data.

        Raises
        ------
        ConfigError
            If the device is not there, or the criterion belongs to another field.
        """
        field = self.field or ("phoenix" if self.trains else "gene")
        gene = field == "gene"
        if gene != (self.criterion == "posterior") and self.criterion is not None:
            raise ConfigError(
                f"field '{field}' was asked for with criterion '{self.criterion}'; 'posterior' is "
                "the criterion of the field 'gene', and the others prune fields that are trained."
            )
        self._check_sparsifying()
        hidden = self.hidden or max(40, round(4.3 * genes**0.5 / 10) * 10)
        # small products do not gain from a second thread, they wait for it
        threads = self.threads or (1 if genes * hidden < 100_000 else torch.get_num_threads())
        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        check_device(device)
        chosen = {"hidden": hidden, "threads": threads, "device": device, "field": field}
        chosen["members"] = (50 if gene else 0) if self.members is None else self.members
        chosen["criterion"] = "posterior" if gene else self.criterion or self._usual()
        if self.select is None:
            chosen["select"] = "posterior" if gene else "one-se"
        return self.model_copy(update=chosen)

    def _usual(self) -> str:
        """Return the criterion of a trained field where none was chosen."""
        if self.sparsifier is not None:
            return "magnitude"
        return "dash" if self.regrow is None else "random"

    def _check_sparsifying(self) -> None:
        """Refuse ways to sparsify that exclude each other."""
        if self.regrow is not None and self.target_sparsity is None:
            raise ConfigError(
                "weights are exchanged at one sparsity; give target_sparsity along with regrow."
            )
        ways = {"regrow": self.regrow, "rewind": self.rewind, "criterion": self.criterion}
        other = [name for name, value in ways.items() if value is not None]
        if self.sparsifier is not None and other:
            raise ConfigError(
                f"the sparsifier '{self.sparsifier}' does without prunes, so '{other[0]}' would "
                "have no effect; leave one of both out."
            )

    def table(self) -> dict[str, Any]:
        """Return the values as a configuration file writes them."""
        return self.model_dump() | ({"patience": NEVER} if self.patience is None else {})

    @property
    def uses_knowledge(self) -> bool:
        """Whether the prior can change the result."""
        weighed = self.criterion == "knowledge" or self.lambda1 > 0 or self.lambda2 > 0
        scored = self.criterion in KNOWLEDGE_CRITERIA and weighed
        return self.criterion == "posterior" or scored or self.prior_loss > 0

    @property
    def trains(self) -> bool:
        """Whether a setting was given that only a field trained by gradient steps has."""
        given = self.model_fields_set & _OF_TRAINING
        return bool(given - ({"criterion"} if self.criterion in (None, "posterior") else set()))


def check_device(device: str) -> None:
    """Raise `ConfigError` if a device, such as ``cuda:1``, is not in this machine."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device != "cpu" and int(device.partition(":")[2] or 0) >= count:
        raise ConfigError(
            f"device '{device}' was asked for, but this machine has {count} usable GPUs; use "
            "device 'cpu', or 'auto' to take what is there."
        )


def make_config(values: object, where: str = "the configuration") -> FitConfig:
    """Return a checked configuration.

    Raises
    ------
    ConfigError
        If a key is unknown or a value is out of range.
    """
    return _validated(FitConfig, values, where)


def make_inputs(values: object, where: str = "the configuration") -> Inputs:
    """Return the checked inputs part; raises `ConfigError` as `make_config` does."""
    return _validated(Inputs, values, where)


def _validated(kind: type[T], values: object, where: str) -> T:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise ConfigError(
                f"{where} has {values!r} where a table of options is expected."
            ) from error
        key, known = first["loc"][0], ", ".join(kind.model_fields)
        if first["type"] == "extra_forbidden":
            raise ConfigError(
                f"{where} has the unknown key '{key}'; known keys are {known}."
            ) from error
        same = [e["msg"] for e in error.errors() if e["loc"][0] == key]
        reason = "; or: ".join(dict.fromkeys(msg.removeprefix("Value error, ") for msg in same))
        raise ConfigError(
            f"{where} has {key} = {first['input']!r}, which does not fit ({reason})."
        ) from error


def load_config(path: Path | None, options: dict[str, Any], *, has_prior: bool = True) -> FitConfig:
    """Return the configuration of a file, overridden by options.

    Parameters
    ----------
    path
        TOML file with a ``[fit]`` table, or None.
    options
        Values that win over the file's.
    has_prior
        Whether a prior is given; without one the default criterion is ``magnitude``.

    Raises
    ------
    ConfigError
        If a key is unknown or a value is out of range.
    """
    tables = {} if path is None else read_toml(path)
    unknown = set(tables) - {"fit", "niwaki", "inputs"}
    if unknown:
        raise ConfigError(
            f"{path} has the unknown table or key '{min(unknown)}'; options belong under [fit]."
        )
    written = tables.get("fit", {})
    make_config(written, str(path))  # so that a mistake in the file is not blamed on the options
    values = {**written, **options}
    checked = make_config(values, "the command")
    trained = checked.trains or checked.field not in (None, "gene")
    if trained and not has_prior and checked.criterion is None:
        return make_config({**values, "criterion": "magnitude"}, "the command")
    return checked
