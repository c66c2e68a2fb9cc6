"""A field in which every weight belongs to an edge: the network is the model."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from niwaki.core import ConfigError
from niwaki.dynamics._field import State

_MARGIN = 0.1  # regulators count up to this share of their range beyond what was seen


class GeneField(nn.Module):
    """``dx_i/dt = v_i (c_i + sum_j a_ij h_j + sum_jk b_ijk h_j h_k - x_i)``, h held within range.

    The first sum runs over the regulators of a gene, the second over joint effects of two of them
    (or of one with itself): together they hold every AND, OR and XOR of two regulators, and its
    sign is that of the weight. ``h_j = x_j - centre_j``, held within the observed range and a tenth
    beyond, so that a forecast cannot run away. A gene with ``v = 0`` stays where it is.

    Parameters
    ----------
    genes
        Number of genes (count).
    edges, joint
        Numbers of edges and of joint effects (count); loading a state sets them.

    Notes
    -----
    A Hill response or a learned exponent per edge was not needed: the closed form over products
    reaches a one-step test error two orders below that of PHOENIX
    [measured: ``niwaki benchmark sim350``].
    """

    source: Int[Tensor, " edge"]
    target: Int[Tensor, " edge"]
    joint_sources: Int[Tensor, "2 joint"]
    joint_target: Int[Tensor, " joint"]
    centre: Float[Tensor, " gene"]
    low: Float[Tensor, " gene"]
    high: Float[Tensor, " gene"]
    reliability: Float[Tensor, " gene"]

    def __init__(self, genes: int, *, edges: int = 0, joint: int = 0) -> None:
        super().__init__()
        if genes < 1:
            raise ConfigError(f"a gene field got {genes} genes; expected at least 1.")
        self.velocity = nn.Parameter(torch.ones(genes))
        self.level = nn.Parameter(torch.zeros(genes))
        self.weight = nn.Parameter(torch.zeros(edges))
        self.joint_weight = nn.Parameter(torch.zeros(joint))
        for name in ("source", "target"):
            self.register_buffer(name, torch.zeros(edges, dtype=torch.long))
        self.register_buffer("joint_sources", torch.zeros(2, joint, dtype=torch.long))
        self.register_buffer("joint_target", torch.zeros(joint, dtype=torch.long))
        self.register_buffer("centre", torch.zeros(genes))
        self.register_buffer("low", torch.full((genes,), -torch.inf))
        self.register_buffer("high", torch.full((genes,), torch.inf))
        self.register_buffer("reliability", torch.ones(genes))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> "GeneField":
        """Return the field of a state dictionary, whatever its numbers of edges."""
        field = cls(len(state["level"])).to(state["level"].dtype)
        field.load_state_dict(state)
        return field

    def set_range(self, low: Float[Tensor, " gene"], high: Float[Tensor, " gene"]) -> None:
        """Set the observed range of every gene (data units)."""
        margin = _MARGIN * (high - low)
        self.low, self.high = low - margin, high + margin

    def estimate(self, measured: State) -> State:
        """Return the expected states of noisy measurements (data units).

        A gene is drawn to its centre by its reliability ratio: the variance of its true states over
        that of its measurements. Each measurement is taken by itself.
        """
        centre, ratio = self.centre[:, None], self.reliability[:, None]
        return centre + ratio * (measured - centre)

    def drop_constants(self) -> list[str]:
        """Leave the field with what has degree one, and return what went, one line each.

        Resting levels and centres become zero for good, joint effects (degree two) and the bounds
        of regulators go; edges, speeds and decay stay. ``attribution.to_xdnn`` calls it on a copy.
        """
        gone: list[str] = []
        for name in ("level", "centre"):
            held = getattr(self, name).detach()
            if bool(held.any()):
                gone.append(f"{name} set to zero")
            delattr(self, name)
            self.register_buffer(name, torch.zeros_like(held))
        if bool(torch.isfinite(self.low).any() or torch.isfinite(self.high).any()):
            gone.append("bounds of regulators dropped")
        self.low = torch.full_like(self.low, -torch.inf)
        self.high = -self.low
        if self.joint_weight.numel():
            gone.append(f"{self.joint_weight.numel()} joint effects dropped")
        self.joint_weight = nn.Parameter(self.joint_weight.detach()[:0])
        self.joint_sources, self.joint_target = self.joint_sources[:, :0], self.joint_target[:0]
        return gone

    def rate(self) -> Float[Tensor, " gene"]:
        """Return v, non-negative (per time unit)."""
        return self.velocity.clamp(min=0)

    def drive(self, state: State) -> State:
        """Return the level that each gene is driven towards (data units)."""
        h = torch.clamp(state, self.low[:, None], self.high[:, None]) - self.centre[:, None]
        drive = self.level[:, None].expand_as(state)
        drive = drive.index_add(0, self.target, h[self.source] * self.weight[:, None])
        first, second = self.joint_sources
        joint = h[first] * h[second] * self.joint_weight[:, None]
        return drive.index_add(0, self.joint_target, joint)

    def forward(self, state: State) -> State:
        """Return dx/dt (data units per time unit)."""
        return self.rate()[:, None] * (self.drive(state) - state)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any, **kw: Any) -> None:
        """Take the numbers of edges from the state: a sparser round has fewer."""
        for name in ("weight", "joint_weight"):
            if prefix + name in state_dict:
                setattr(self, name, nn.Parameter(torch.empty_like(state_dict[prefix + name])))
        for name in ("source", "target", "joint_sources", "joint_target"):
            if prefix + name in state_dict:
                setattr(self, name, torch.empty_like(state_dict[prefix + name]))
        super()._load_from_state_dict(state_dict, prefix, *args, **kw)
