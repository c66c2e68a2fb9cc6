"""From the names of a configuration to a field, and where its two-layer chains are."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from niwaki.core import ConfigError, derived_seed
from niwaki.dynamics import GeneField, MlpField, ModuleField, PhoenixField
from niwaki.experiment._config import FitConfig
from niwaki.pruning import Chain

FieldFactory = Callable[[], nn.Module]


def field_factory(config: FitConfig, genes: int, module: nn.Module | None = None) -> FieldFactory:
    """Return a function that makes the freshly initialised field, the same at each call.

    Parameters
    ----------
    config
        The resolved configuration.
    genes
        Number of genes (count).
    module
        A user's own batch-major field, used as it is where the field is ``module``.

    Raises
    ------
    ConfigError
        If the field is ``module`` and there is none.
    """
    if config.field == "module" and module is None:
        raise ConfigError(
            "the field 'module' is a module of your own, which no file holds; pass it from Python "
            "as module=..., or choose the field phoenix or mlp."
        )

    def make() -> nn.Module:
        if module is not None:
            return ModuleField(copy.deepcopy(module)).float()  # as the data is
        generator = torch.Generator().manual_seed(derived_seed(config.seed, "field"))
        hidden = config.hidden or 1
        if config.field == "gene":
            return GeneField(genes)  # its edges come from the search
        if config.field == "mlp":
            return MlpField(genes, hidden=hidden, generator=generator)
        return PhoenixField(
            genes, hidden=hidden, generator=generator, initialisation=config.initialisation
        )

    return make


@dataclass(frozen=True)
class ChainNames:
    """Parameter names of one chain of two linear layers."""

    name: str
    first: str
    output: str
    multiplicative: bool = False


def chain_names(field: nn.Module) -> tuple[ChainNames, ...]:
    """Return where the chains of a field are.

    Raises
    ------
    ConfigError
        If a user's module is not a chain of two linear layers.
    """
    if isinstance(field, PhoenixField):
        return (
            ChainNames("sum", "weight_sum", "output_sum"),
            ChainNames("prod", "weight_prod", "output_prod", multiplicative=True),
        )
    if isinstance(field, MlpField):
        return (ChainNames("mlp", "weight", "output"),)
    linear = [name for name, part in field.named_modules() if isinstance(part, nn.Linear)]
    shapes = [tuple(field.get_parameter(f"{name}.weight").shape) for name in linear]
    if len(shapes) != 2 or shapes[0] != shapes[1][::-1]:
        raise ConfigError(
            f"a field of your own needs two linear layers, genes to hidden to genes, so that its "
            f"network can be read; this one has linear layers of shapes {shapes}."
        )
    return (ChainNames("module", f"{linear[0]}.weight", f"{linear[1]}.weight"),)


def check_module(field: ModuleField, genes: int) -> None:
    """Check that a user's module maps states of this many genes to their rates of change.

    Raises
    ------
    ConfigError
        If it does not, or is not a chain of two linear layers.
    """
    taken = field.get_parameter(chain_names(field)[0].first).shape[1]
    if taken != genes:
        raise ConfigError(f"the module takes {taken} genes, but the data has {genes}.")
    with torch.no_grad():
        shape = tuple(field.module(torch.zeros(2, genes)).shape)
    if shape != (2, genes):
        raise ConfigError(
            f"the module gives an array of shape {shape} for 2 states of {genes} genes; it must "
            "give the rates of change [pair, gene], of the same shape as the states."
        )


def full_masks(field: nn.Module) -> dict[str, Tensor]:
    """Return masks that keep every prunable weight, by parameter name."""
    return {
        name: torch.ones_like(field.get_parameter(name), dtype=torch.bool)
        for chain in chain_names(field)
        for name in (chain.first, chain.output)
    }


def chains(field: nn.Module, masks: Mapping[str, Tensor]) -> list[Chain]:
    """Return the chains of a field with their masks."""
    scale = field.rate() if isinstance(field, PhoenixField) else None
    return [
        Chain(
            names.name,
            field.get_parameter(names.first),
            field.get_parameter(names.output),
            masks[names.first],
            masks[names.output],
            scale,
            names.multiplicative,
        )
        for names in chain_names(field)
    ]
