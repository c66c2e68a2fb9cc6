"""A fitted model on its own: saving, loading and predicting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from niwaki.core import (
    ConfigError,
    DivergedError,
    PairVector,
    RunFolderError,
    StateArray,
    Trajectories,
    Trajectory,
)
from niwaki.dynamics import GeneField, Method, make_method, solve
from niwaki.experiment._checkpoint import load_tensors, save_tensors
from niwaki.experiment._config import FitConfig
from niwaki.experiment._folder import open_run
from niwaki.experiment._model import field_factory

_MASK = "mask."
_MOST_HALVINGS = 8  # of a gap, before a prediction counts as out of reach
_SETTLED = 1e-4  # predictions that differ by this share of the largest value are the same
_MOST_PAIRS, _MOST_VALUES = 2048, 4_000_000  # per solve (a value: gene and pair), to keep it small


@dataclass(frozen=True)
class FittedModel:
    """A fitted field with the genes that it is about.

    Attributes
    ----------
    genes
        Names of the genes.
    field, masks
        The model and its surviving weights, by parameter name.
    method
        How it is solved.
    """

    genes: tuple[str, ...]
    field: nn.Module
    masks: Mapping[str, Tensor]
    method: Method

    @torch.no_grad()
    def __call__(
        self, start: StateArray, gaps: PairVector, times: PairVector | None = None
    ) -> StateArray:
        """Return the states one gap later (data units); a field knows no absolute time."""
        example = next(self.field.parameters())

        def tensor(array: np.ndarray) -> Tensor:
            return torch.as_tensor(array, dtype=example.dtype, device=example.device)

        chunk = max(1, min(_MOST_PAIRS, _MOST_VALUES // len(self.genes)))
        parts = [
            solve(self.field, tensor(start[:, at]), gaps=tensor(gaps[at]), method=self.method)
            for at in (slice(i, i + chunk) for i in range(0, len(gaps), chunk))
        ]
        ends: StateArray = torch.cat(parts, 1).double().cpu().numpy()
        return ends

    @torch.no_grad()
    def estimate(self, measured: StateArray) -> StateArray:
        """Return the expected states of measurements as noisy as the training data (data units).

        Only a gene-resolved field knows that noise; for others it is the measurement itself.
        """
        if not isinstance(self.field, GeneField):
            return measured
        states = torch.as_tensor(measured, dtype=torch.float64, device=self.field.centre.device)
        found: StateArray = self.field.estimate(states).cpu().numpy()
        return found


def save_model(path: Path, model: FittedModel) -> None:
    """Write weights, masks and gene names as safetensors; raises `StorageError` on a full disk."""
    tensors = dict(model.field.state_dict())
    tensors |= {f"{_MASK}{name}": mask for name, mask in model.masks.items()}
    save_tensors(path, tensors, {"genes": model.genes})


def load_model(run: Path | str, module: nn.Module | None = None) -> FittedModel:
    """Return the model that a finished run selected.

    Parameters
    ----------
    run
        The run folder.
    module
        The module that was given to `fit`, if it was a user's own.

    Raises
    ------
    RunFolderError
        If the run is not finished, or its model file is damaged or of another configuration.
    """
    folder, config, _ = open_run(Path(run))
    path = folder.path / "model.safetensors"
    if not path.exists():
        raise RunFolderError(
            f"{folder.path} has no model yet; finish it with niwaki fit --resume {folder.path}."
        )
    remedy = f"write it again with niwaki fit --resume {folder.path}"
    tensors, numbers = load_tensors(path, remedy=remedy)
    masks = {k.removeprefix(_MASK): v for k, v in tensors.items() if k.startswith(_MASK)}
    weights = {k: v for k, v in tensors.items() if not k.startswith(_MASK)}
    try:
        genes = tuple(numbers["genes"])
        field = field_factory(config, len(genes), module)()
        field.load_state_dict(weights)
    except (RuntimeError, KeyError, TypeError) as error:
        raise RunFolderError(
            f"{path} does not fit the model of {folder.path / 'config.toml'}; one of them was "
            "replaced, so fit again."
        ) from error
    device = _device(config)
    return FittedModel(
        genes,
        field.to(device),
        {name: mask.to(device) for name, mask in masks.items()},
        make_method(config.solver, field),
    )


def _device(config: FitConfig) -> str:
    """Return the run's device, or the processor where that device is missing."""
    kind, _, number = config.device.partition(":")
    here = kind == "cuda" and int(number or 0) < torch.cuda.device_count()
    return config.device if here else "cpu"


def predict(
    model: FittedModel,
    starts: Trajectories,
    *,
    times: Sequence[float] | Float[np.ndarray, " time"] | None = None,
    measured: bool = False,
) -> Trajectories:
    """Return roll-outs from the first observation of every trajectory.

    Steps are halved until the prediction stands, since times may lie further apart than those that
    the model was fitted to.

    Parameters
    ----------
    model
        From `load_model`.
    starts
        Where to start; only first observations count. Genes are matched by name.
    times
        When to predict (time units of the data), all after the start or at it; by default the
        trajectory's own times.
    measured
        Whether starts are as noisy as the training data, so that a field that knows this noise
        sets out from its estimate of the true state; otherwise they are taken as they are.

    Raises
    ------
    InputError
        If a gene of the model is missing from `starts`.
    ConfigError
        If a time is not a finite number, or lies before the start.
    DivergedError
        If a prediction leaves the finite range, or does not settle as steps get shorter.
    """
    aligned = starts.select_genes(model.genes)
    if times is not None and not (len(times) and np.isfinite(times).all()):
        raise ConfigError("prediction times must be finite numbers, at least one of them.")
    items = [_roll_out(model, item, times, measured) for item in aligned.items]
    return Trajectories(model.genes, tuple(items))


def _roll_out(
    model: FittedModel,
    item: Trajectory,
    times: Sequence[float] | np.ndarray | None,
    measured: bool,
) -> Trajectory:
    wanted = item.times if times is None else np.unique(np.asarray(times, dtype=float))
    if wanted[0] < item.times[0]:
        raise ConfigError(
            f"trajectory '{item.name}' starts at time {item.times[0]:g}; give prediction times "
            "from there on, since a model runs forwards only."
        )
    states, now = [item.values[0]], item.values[:1].T
    now = model.estimate(now) if measured else now
    grid = wanted if wanted[0] == item.times[0] else np.concatenate([item.times[:1], wanted])
    for gap in np.diff(grid):
        now = _flow(model, now, float(gap), item.name)
        states.append(now[:, 0])
    return Trajectory(item.name, wanted, np.stack(states)[len(grid) - len(wanted) :])


def _flow(model: FittedModel, start: StateArray, gap: float, name: str) -> StateArray:
    """Return the state one gap later, over as many equal parts of it as the answer takes."""
    found = model(start, np.array([gap]))
    for parts in (2**halvings for halvings in range(1, _MOST_HALVINGS + 1)):
        finer = start
        for _ in range(parts):
            finer = model(finer, np.array([gap / parts]))
        with np.errstate(invalid="ignore"):  # infinite less infinite: not settled
            change = np.abs(finer - found).max()
        if change <= _SETTLED * np.abs(finer).max() and np.isfinite(change):
            return found
        found = finer
    if not np.isfinite(found).all():
        raise DivergedError(
            f"the prediction of '{name}' left the finite range; the start state is far from the "
            "data that the model was fitted to, or the times are too long."
        )
    raise DivergedError(
        f"the prediction of '{name}' over a gap of {gap:g} does not settle as solver steps get "
        "shorter; predict at times that lie closer together."
    )
