"""What training changes: a field, moments of its surviving weights, the learning rate."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from niwaki.core import ConfigError
from niwaki.dynamics._phoenix import PhoenixField

Masks = Mapping[str, Tensor]


@dataclass(frozen=True)
class Optimisation:
    """How weights are updated.

    Attributes
    ----------
    learning_rate
        Adam's step at the start and after every prune (dimensionless).
    multiplier_factor
        Factor on the learning rate of the per-gene multipliers (dimensionless).
    decay, patience, threshold, minimum
        The rate is multiplied by `decay` after `patience` epochs in which the held-out loss did
        not fall by `threshold` (squared data units), down to `minimum`.

    References
    ----------
    .. [1] dash2024, released training script (simulation).
    """

    learning_rate: float = 1e-3
    multiplier_factor: float = 5.0
    decay: float = 0.9
    patience: int = 3
    threshold: float = 1e-6
    minimum: float = 4e-5

    def __post_init__(self) -> None:
        if min(self.learning_rate, self.multiplier_factor, self.minimum) <= 0:
            raise ConfigError("learning rates must be positive.")
        if not 0 < self.decay < 1 or self.patience < 0:
            raise ConfigError(
                f"the learning-rate decay got factor {self.decay} and patience {self.patience}; "
                "expected a factor between 0 and 1 and a patience of at least 0."
            )


@dataclass(frozen=True)
class Survivors:
    """The surviving weights of one parameter, as a vector that Adam updates.

    Attributes
    ----------
    mask
        What survives.
    place
        Positions in the flattened parameter; gene by gene, where genes are its columns.
    values
        The weights there.
    """

    mask: Tensor
    place: Int[Tensor, " survivor"]
    values: nn.Parameter

    @classmethod
    def of(cls, parameter: Tensor, mask: Tensor, *, by_column: bool) -> "Survivors":
        """Collect the survivors of a parameter."""
        columns = parameter.shape[-1]
        if by_column:
            place = mask.T.reshape(-1).nonzero().squeeze(1)
            rows = parameter.shape[0]
            place = (place % rows) * columns + place // rows
        else:
            place = mask.reshape(-1).nonzero().squeeze(1)
        return cls(mask, place, nn.Parameter(parameter.detach().reshape(-1)[place]))

    def pick(self, whole: Tensor) -> Tensor:
        """Return the entries of survivors of an array of the parameter's shape."""
        return whole.reshape(-1)[self.place]

    def spread(self, values: Tensor) -> Tensor:
        """Return an array of the parameter's shape that is 0 where there is no survivor."""
        whole = torch.zeros(self.mask.numel(), dtype=values.dtype, device=values.device)
        whole[self.place] = values
        return whole.view(self.mask.shape)

    def scatter(self, parameter: Tensor) -> None:
        """Write the weights back into the parameter."""
        parameter.detach().view(-1)[self.place] = self.values.detach()


class Training:
    """A field, its optimiser and its learning-rate schedule: all that training changes.

    Adam's moments exist for surviving weights only, so they shrink with every prune.
    """

    def __init__(self, field: nn.Module, settings: Optimisation) -> None:
        self.field = field
        self.settings = settings
        self.survivors: dict[str, Survivors] = {}
        self.cache: dict[object, Any] = {}  # what was compiled or laid out for these masks
        self.optimiser = torch.optim.Adam(
            [{"params": [p], "lr": self._rate(name)} for name, p in field.named_parameters()],
            fused=True,
        )
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser,
            factor=settings.decay,
            patience=settings.patience,
            threshold=settings.threshold,
            threshold_mode="abs",
            min_lr=settings.minimum,
        )

    def _rate(self, name: str, fast: str = "multiplier") -> float:
        factor = self.settings.multiplier_factor if name == fast else 1.0
        return self.settings.learning_rate * factor

    def groups(self) -> Iterator[tuple[str, nn.Parameter, dict[str, Any]]]:
        """Yield name, parameter and optimiser group of everything that is trained."""
        pairs = zip(self.field.named_parameters(), self.optimiser.param_groups, strict=True)
        for (name, parameter), group in pairs:
            yield name, parameter, group

    def moments(self, name: str) -> dict[str, Tensor]:
        """Return Adam's state of a parameter: of its survivors, where it has been pruned."""
        place = next(i for i, (n, _, _) in enumerate(self.groups()) if n == name)
        trained = self.optimiser.param_groups[place]["params"][0]
        state: dict[str, Tensor] = self.optimiser.state[trained]
        return state

    def adam_state(self, group: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return Adam's state of a group from `groups`, made if it has none yet."""
        trained = group["params"][0]
        state: dict[str, Tensor] = self.optimiser.state[trained]
        if not state:
            state["step"] = torch.zeros((), device=trained.device)
            state["exp_avg"] = torch.zeros_like(trained, memory_format=torch.contiguous_format)
            state["exp_avg_sq"] = torch.zeros_like(state["exp_avg"])
        return state

    def reset_learning_rate(self, *, fast: str = "multiplier") -> None:
        """Return every learning rate to its start; `fast` names the parameter with the factor.

        The released DASH code gives the factor to ``output_prod`` from the first prune on, where
        the multipliers were meant.
        """
        for name, _, group in self.groups():
            group["lr"] = self._rate(name, fast)

    @torch.no_grad()
    def apply_masks(self, masks: Masks) -> None:
        """Set masked weights to zero, where they then stay, and forget their moments.

        Nothing happens for masks that are applied already; a weight that grows back starts with
        empty moments.
        """
        for name, parameter, group in self.groups():
            mask = masks.get(name)
            if mask is None or self._applied(name, mask):
                continue
            mask = mask.to(parameter.device, torch.bool)
            parameter.mul_(mask)
            before = self.survivors.get(name)
            after = Survivors.of(parameter, mask, by_column=self._by_column(name))
            old = self.optimiser.state.pop(group["params"][0], {})
            self.optimiser.state[after.values] = {
                key: _thinned(value, parameter, before, after) for key, value in old.items()
            }
            self.survivors[name], group["params"] = after, [after.values]
            self.cache.clear()

    @torch.no_grad()
    def rewind(self, noted: Mapping[str, Tensor]) -> None:
        """Return the field to noted weights under the present masks, Adam to its start."""
        self.field.load_state_dict(noted)
        parameters = dict(self.field.named_parameters())
        for name, alive in self.survivors.items():
            parameters[name].mul_(alive.mask)
            alive.values.copy_(alive.pick(parameters[name]))
        self.optimiser.state.clear()
        self.cache.clear()

    def _applied(self, name: str, mask: Tensor) -> bool:
        if name in self.survivors:
            known = self.survivors[name].mask
            return known is mask or torch.equal(known, mask.to(known.device, torch.bool))
        return bool(mask.all())

    def _by_column(self, name: str) -> bool:
        return isinstance(self.field, PhoenixField) and name.startswith("weight_")

    @torch.no_grad()
    def step(self) -> None:
        """Update every weight from the gradient that the field's parameters hold."""
        parameters = dict(self.field.named_parameters())
        for name, alive in self.survivors.items():
            grad = parameters[name].grad
            alive.values.copy_(alive.pick(parameters[name]))
            alive.values.grad = None if grad is None else alive.pick(grad)
        self.optimiser.step()
        for name, alive in self.survivors.items():
            alive.scatter(parameters[name])

    def tensors(self) -> dict[str, Tensor]:
        """Return every tensor that the next step depends on, by name."""
        found = {f"field.{name}": value for name, value in self.field.state_dict().items()}
        for name, _, group in self.groups():
            for key, value in self.optimiser.state[group["params"][0]].items():
                found[f"adam.{name}.{key}"] = value
        return {name: value.detach().clone() for name, value in found.items()}

    def numbers(self) -> dict[str, Any]:
        """Return the learning-rate schedule as plain numbers."""
        plateau = self.plateau.state_dict()
        kept = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")
        return {
            "plateau": {key: plateau[key] for key in kept},
            "rates": [group["lr"] for group in self.optimiser.param_groups],
        }

    @torch.no_grad()
    def restore(
        self,
        tensors: Mapping[str, Tensor],
        numbers: Mapping[str, Any],
        *,
        masks: Masks | None = None,
    ) -> None:
        """Continue from what `tensors` and `numbers` returned earlier, under the same `masks`.

        Raises
        ------
        ConfigError
            If moments do not belong to these masks.
        """
        state = {name: tensors[f"field.{name}"] for name in self.field.state_dict()}
        self.field.load_state_dict(state)
        self.cache.clear()
        self.apply_masks(masks or {})
        for name, parameter, group in self.groups():
            prefix = f"adam.{name}."
            moments = {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
            alive, trained = self.survivors.get(name), group["params"][0]
            if alive is not None:  # the moments of an earlier version had the parameter's shape
                alive.values.copy_(alive.pick(parameter))
                moments = {k: _thinned(v, parameter, None, alive) for k, v in moments.items()}
            if any(v.dim() and v.shape != trained.shape for v in moments.values()):
                raise ConfigError(
                    f"the saved optimiser state of '{name}' does not fit its masks; restore with "
                    "the masks that it was saved under."
                )
            self.optimiser.state[trained] = {k: v.clone() for k, v in moments.items()}
        self.plateau.load_state_dict({**self.plateau.state_dict(), **numbers["plateau"]})
        for group, rate in zip(self.optimiser.param_groups, numbers["rates"], strict=True):
            group["lr"] = rate


def _thinned(
    value: Tensor, parameter: Tensor, before: Survivors | None, after: Survivors
) -> Tensor:
    """Return what is left of a moment: its entries at the places of `after`."""
    if before is not None and value.shape == before.values.shape:
        return after.pick(before.spread(value))
    return after.pick(value) if value.shape == parameter.shape else value.clone()
