"""When to prune and how much, as functions of the epoch alone."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from niwaki.core import ConfigError


@runtime_checkable
class Schedule(Protocol):
    """Says after which epochs to prune, and how many weights of a layer live then."""

    def prunes_at(self, epoch: int) -> bool:
        """Say whether a prune belongs to this epoch."""
        ...

    def sparsity_after(self, epoch: int) -> float:
        """Return the planned share of pruned weights once this epoch's prune is done."""
        ...

    def kept_after(self, epoch: int, weights: int) -> int:
        """Return how many of a layer's weights live once this epoch's prune is done."""
        ...


@dataclass(frozen=True)
class PaperSchedule:
    """A large first prune, then a fixed share of what remains at regular epochs.

    A function of the epoch only, so a resumed run prunes as an uninterrupted one does. Counts are
    rounded half to even at every prune, as torch does.

    Attributes
    ----------
    first_epoch
        Epoch of the first prune, counted from 1 (epochs).
    first
        Share pruned then, in (0, 1) (dimensionless).
    period
        Later prunes come at every epoch after `first_epoch` that this divides (epochs).
    rate
        Share of the remaining weights pruned each time, in (0, 1) (dimensionless).
    target_sparsity
        Stop at exactly this share of pruned weights; None for no end (dimensionless).

    References
    ----------
    .. [1] dash2024, released simulation script: 70 % at epoch 3, then 10 % of the rest at every
       epoch divisible by 10. It has no target.
    """

    first_epoch: int = 3
    first: float = 0.70
    period: int = 10
    rate: float = 0.10
    target_sparsity: float | None = None

    def __post_init__(self) -> None:
        _check_count("first_epoch", self.first_epoch)
        _check_count("period", self.period)
        _check_share("first", self.first)
        _check_share("rate", self.rate)
        if self.target_sparsity is not None:
            _check_share("target_sparsity", self.target_sparsity)

    def prunes_at(self, epoch: int) -> bool:
        """Say whether a prune belongs to this epoch; never again once the target is reached."""
        return self.planned(epoch) and self.sparsity_after(epoch) > self.sparsity_after(epoch - 1)

    def sparsity_after(self, epoch: int) -> float:
        """Return the planned share of pruned weights once this epoch's prune is done."""
        if epoch < self.first_epoch:
            return 0.0
        sparsity = 1 - (1 - self.first) * (1 - self.rate) ** self._later(epoch)
        return sparsity if self.target_sparsity is None else min(sparsity, self.target_sparsity)

    def kept_after(self, epoch: int, weights: int) -> int:
        """Return how many of a layer's weights live once this epoch's prune is done."""
        if epoch < self.first_epoch:
            return weights
        least = 0 if self.target_sparsity is None else _kept(weights, self.target_sparsity)
        if self.sparsity_after(epoch) == self.target_sparsity:
            return least
        kept = weights
        for share in (self.first, *[self.rate] * self._later(epoch)):
            kept = max(kept - round(share * kept), least)
        return kept

    def planned(self, epoch: int) -> bool:
        """Say whether this is one of the schedule's epochs, target reached or not."""
        later = epoch > self.first_epoch and epoch % self.period == 0
        return epoch == self.first_epoch or later

    def _later(self, epoch: int) -> int:
        """Return the number of prunes after the first, up to and including `epoch`."""
        return epoch // self.period - self.first_epoch // self.period


@dataclass(frozen=True)
class OneShot:
    """One prune to the wanted sparsity.

    Attributes
    ----------
    epoch
        Epoch of the prune, counted from 1 (epochs).
    sparsity
        Share of pruned weights then, in [0, 1) (dimensionless).
    """

    epoch: int
    sparsity: float

    def __post_init__(self) -> None:
        _check_count("epoch", self.epoch)
        _check_sparsity(self.sparsity)

    def prunes_at(self, epoch: int) -> bool:
        """Say whether this is the epoch of the prune."""
        return epoch == self.epoch

    def sparsity_after(self, epoch: int) -> float:
        """Return the share of pruned weights once this epoch is done."""
        return self.sparsity if epoch >= self.epoch else 0.0

    def kept_after(self, epoch: int, weights: int) -> int:
        """Return how many of a layer's weights live once this epoch is done."""
        return _kept(weights, self.sparsity) if epoch >= self.epoch else weights


@dataclass(frozen=True)
class Iterative:
    """Several prunes at equal distances, each removing the same share of what remains.

    Attributes
    ----------
    first_epoch, last_epoch
        Epochs of the first and the last prune, counted from 1 (epochs).
    rounds
        How many prunes (count).
    sparsity
        Share of pruned weights at the end, in [0, 1); after prune k of n it is
        ``1 - (1 - sparsity) ** (k / n)`` (dimensionless).

    References
    ----------
    .. [1] frankle2019, iterative pruning.
    """

    first_epoch: int
    last_epoch: int
    rounds: int
    sparsity: float

    def __post_init__(self) -> None:
        _check_count("first_epoch", self.first_epoch)
        _check_count("rounds", self.rounds)
        _check_sparsity(self.sparsity)
        if self.last_epoch - self.first_epoch < self.rounds - 1:
            raise ConfigError(
                f"{self.rounds} prunes do not fit between epochs {self.first_epoch} and "
                f"{self.last_epoch}; take fewer rounds or a later last epoch."
            )

    def prunes_at(self, epoch: int) -> bool:
        """Say whether a prune belongs to this epoch."""
        return self._done(epoch) > self._done(epoch - 1)

    def sparsity_after(self, epoch: int) -> float:
        """Return the share of pruned weights once this epoch is done."""
        return _exact(1 - (1 - self.sparsity) ** (self._done(epoch) / self.rounds), self.sparsity)

    def kept_after(self, epoch: int, weights: int) -> int:
        """Return how many of a layer's weights live once this epoch is done."""
        return _kept(weights, self.sparsity_after(epoch))

    def _done(self, epoch: int) -> int:
        """Return the number of prunes up to and including `epoch`."""
        if epoch < self.first_epoch:
            return 0
        if self.rounds == 1 or epoch >= self.last_epoch:
            return self.rounds
        span = self.last_epoch - self.first_epoch
        return 1 + (epoch - self.first_epoch) * (self.rounds - 1) // span


@dataclass(frozen=True)
class Cubic:
    """Much at first, less and less towards the end: the gradual schedule of Zhu and Gupta.

    Attributes
    ----------
    first_epoch, last_epoch
        Epochs of the first and the last prune, counted from 1 (epochs).
    sparsity
        Share of pruned weights at the end, in [0, 1) (dimensionless).
    period
        Epochs between prunes (epochs).
    start
        Share of pruned weights at the first prune, at most `sparsity` (dimensionless).

    References
    ----------
    .. [1] zhu2017, equation 1: ``s_t = s_f + (s_i - s_f) (1 - (t - t_0) / (n dt)) ** 3``.
    """

    first_epoch: int
    last_epoch: int
    sparsity: float
    period: int = 1
    start: float = 0.0

    def __post_init__(self) -> None:
        _check_count("first_epoch", self.first_epoch)
        _check_count("period", self.period)
        _check_sparsity(self.sparsity)
        if not 0 <= self.start <= self.sparsity:
            raise ConfigError(
                f"start is {self.start:g}; expected a share between 0 and the sparsity "
                f"{self.sparsity:g}."
            )
        if self.last_epoch < self.first_epoch:
            raise ConfigError(
                f"last_epoch {self.last_epoch} comes before first_epoch {self.first_epoch}; "
                "exchange them."
            )

    def prunes_at(self, epoch: int) -> bool:
        """Say whether a prune belongs to this epoch."""
        return self.sparsity_after(epoch) > self.sparsity_after(epoch - 1)

    def sparsity_after(self, epoch: int) -> float:
        """Return the share of pruned weights once this epoch is done."""
        if epoch < self.first_epoch:
            return 0.0
        if epoch >= self.last_epoch:
            return self.sparsity
        passed = (epoch - self.first_epoch) // self.period * self.period
        left = 1 - passed / (self.last_epoch - self.first_epoch)
        return self.sparsity + (self.start - self.sparsity) * left**3

    def kept_after(self, epoch: int, weights: int) -> int:
        """Return how many of a layer's weights live once this epoch is done."""
        return _kept(weights, self.sparsity_after(epoch))


def _exact(value: float, wanted: float) -> float:
    """Return `wanted` where a rounded power means it."""
    return wanted if abs(value - wanted) < 1e-12 else value


def _kept(weights: int, sparsity: float) -> int:
    """Return how many weights live at a sparsity."""
    return weights - round(sparsity * weights)


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ConfigError(
            f"{name} is {value:g}; expected a share between 0 and 1, such as 0.9 for 90 %."
        )


def _check_sparsity(value: float) -> None:
    if not 0 <= value < 1:
        raise ConfigError(
            f"sparsity is {value:g}; expected a share from 0 up to but not including 1, such as "
            "0.9 for 90 %."
        )


def _check_count(name: str, value: int) -> None:
    if value < 1:
        raise ConfigError(f"{name} is {value}; expected a whole number of epochs, at least 1.")
