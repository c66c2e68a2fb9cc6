"""Distillation in the form of a scikit-learn transformer."""

import inspect
import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from niwaki.core import ConfigError, InputError
from niwaki.wavelets._filters import Wavelet, start_angles
from niwaki.wavelets._gradients import (
    Attribution,
    Teacher,
    check_attribution,
    input_gradients,
)
from niwaki.wavelets._grow import Progress, SearchOptions
from niwaki.wavelets._inputs import apart, as_signals, members, parts_of
from niwaki.wavelets._modes import Mode, check_mode
from niwaki.wavelets._objective import Layout, Objective
from niwaki.wavelets._search import RATIOS, Path, search_path
from niwaki.wavelets._transform import Bands, Bands2, dwt, dwt2, idwt, idwt2

_PLENTY = 4  # levels, unless the signal is too short for them
Array = np.ndarray | Tensor


class WaveletDistiller:
    """Find the wavelet in which data and a teacher's attributions are both sparse.

    For an orthonormal wavelet W the attribution of its coefficients is W applied to the teacher's
    input gradients G, so the teacher is evaluated once, and what remains is to minimise
    ``|W X|_1 + ratio * |W G|_1`` over the angles that make W, both parts free of scale. It needs no
    penalty for reconstruction: every candidate is orthonormal.

    The interface is scikit-learn's, so that it takes part in pipelines and searches; teacher or
    gradients go to `fit`, there as ``waveletdistiller__teacher=``.

    Parameters
    ----------
    taps
        Length of the filters (count, even).
    level
        Levels; None for 4, or fewer for signals too short for them.
    mode
        Boundary mode.
    attribution
        ``saliency``, ``input_x_gradient`` or ``integrated_gradients``.
    ratios
        gamma / lambda, weight of attributions against signals (dimensionless): one number, or the
        points of a path. None for a path of 20 points from 0 to infinity.
    pick
        The ratio whose wavelet is used at the end: the point of the path nearest to it
        (dimensionless).
    targets
        Output of the teacher to attribute, or several (index).
    per_level, per_axis
        Whether levels, or the axes of images, get filters of their own.
    starts
        Wavelets to start at, beside grown ones and the named ones of that length.
    nodes
        Points of the path of Integrated Gradients (count).
    chunk
        Samples per evaluation of the teacher (count).
    options
        How hard to search.
    seed
        Of samples and perturbations.

    Attributes
    ----------
    paths_
        The path of each group; the one key is None if no groups were given.
    points_
        The chosen point of each group.
    history_
        What every stage did.
    notes_
        Sentences about what had to be changed.
    n_features_in_
        Samples of a signal, or pixels of a row of an image.

    References
    ----------
    .. [1] ha2021. There by stochastic gradient descent on free taps with five penalties, and with
       two passes of gradients through the teacher per step.
    """

    def __init__(  # noqa: PLR0913  # settings of an estimator: decision 11
        self,
        *,
        taps: int = 10,
        level: int | None = None,
        mode: str = "zero",
        attribution: str = "saliency",
        ratios: float | Sequence[float] | np.ndarray | None = None,
        pick: float = 1.0,
        targets: int | Sequence[int] = (0,),
        per_level: bool = False,
        per_axis: bool = False,
        starts: Sequence[Wavelet] = (),
        nodes: int = 64,
        chunk: int = 512,
        options: SearchOptions | None = None,
        seed: int = 0,
    ) -> None:
        self.taps, self.level, self.mode, self.attribution = taps, level, mode, attribution
        self.ratios, self.pick, self.targets = ratios, pick, targets
        self.per_level, self.per_axis, self.starts = per_level, per_axis, starts
        self.nodes, self.chunk, self.options, self.seed = nodes, chunk, options, seed

    def fit(
        self,
        X: Array,
        y: object = None,
        *,
        teacher: Teacher | None = None,
        gradients: Array | None = None,
        gradient_function: Callable[[Tensor], Tensor] | None = None,
        groups: Sequence[Hashable] | None = None,
        progress: Progress | None = None,
    ) -> "WaveletDistiller":
        """Find the wavelets along the path.

        Parameters
        ----------
        X
            Signals ``[sample, time]`` or images ``[sample, row, column]``, in the type and on the
            device to work in.
        y
            Ignored; for scikit-learn.
        teacher
            Module or function whose attributions count.
        gradients
            Instead of a teacher, its input gradients: of the shape of `X`, or with an axis of
            targets before. For Integrated Gradients their mean over the path.
        gradient_function
            Instead of both, a function from signals to such gradients.
        groups
            A label per sample; each group gets wavelets of its own.
        progress
            Called with the stage, steps done, steps in all, and the best objective.

        Raises
        ------
        InputError
            If signals or gradients cannot be used.
        ConfigError
            If a setting cannot be used.
        """
        x = as_signals(X)
        self.layout_ = self._layout(x)
        self.shape_ = tuple(x.shape[1:])
        self.n_features_in_ = self.shape_[-1]
        self.notes_ = self._notes()
        g = self._gradients(x, teacher, gradients, gradient_function)
        self.gradients_ = g
        rng = np.random.default_rng(self.seed)
        self.paths_: dict[Hashable, Path] = {}
        for label, index in members(groups, len(x)).items():
            objective = Objective(x[index], g[:, index], self.layout_, *self._choices())
            self.paths_[label] = search_path(
                objective,
                ratios=self._ratios(),
                starts=self.starts,
                options=self.options,
                rng=rng,
                progress=progress,
            )
        self.history_ = {label: path.history for label, path in self.paths_.items()}
        return self.select(self.pick)

    def select(self, ratio: float) -> "WaveletDistiller":
        """Use the wavelets of the point of the path nearest to a ratio (on a log scale)."""
        self.points_ = {
            label: min(path.points, key=lambda p: apart(p.ratio, ratio))
            for label, path in self._fitted().items()
        }
        return self

    def filters(self, group: Hashable = None) -> Tensor:
        """Return the chosen low-pass taps, ``[level, tap]`` or ``[level, axis, tap]``."""
        self._fitted()
        if group not in self.points_:
            raise InputError(
                f"there is no wavelet of group {group!r}; name one of "
                f"{', '.join(sorted(map(str, self.points_)))}."
            )
        return self.layout_.lows(self.points_[group].angles)

    def bands(self, X: Array, group: Hashable = None) -> Bands | Bands2:
        """Return the coefficients of signals, band by band, in the order of `dwt` or `dwt2`."""
        x, low = as_signals(X), self.filters(group)
        if tuple(x.shape[1:]) != self.shape_:
            raise InputError(
                f"the signals are an array of shape {tuple(x.shape)}, but the wavelet was fitted "
                f"to signals of shape {self.shape_}; give such signals, one per row."
            )
        transform = dwt if self.layout_.axes == 1 else dwt2
        return transform(x, low, level=self.layout_.level, mode=self.mode)

    def transform(self, X: Array, group: Hashable = None) -> np.ndarray:
        """Return all coefficients, one row per sample."""
        bands = self.bands(X, group)
        flat = [b.flatten(1) for band in bands for b in parts_of(band)]
        coefficients: np.ndarray = torch.cat(flat, 1).cpu().numpy()
        return coefficients

    def fit_transform(self, X: Array, y: object = None, **how: Any) -> np.ndarray:
        """Fit, and return the coefficients of the same signals."""
        return self.fit(X, y, **how).transform(X)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return a name per column of `transform`: its band, and its place in it.

        ``D2_7`` is the eighth coefficient of the second finest level; for images ``D2h_7`` is one
        of the horizontal details, read row by row.
        """
        self._fitted()
        groups = iter(self.points_)
        bands = self.bands(torch.zeros(1, *self.shape_), next(groups))
        level, names = self.layout_.level, []
        for i, band in enumerate(bands):
            kinds = ("",) if isinstance(band, Tensor) else ("h", "v", "d")
            name = f"D{level + 1 - i}" if i else f"A{level}"
            for kind, part in zip(kinds, parts_of(band), strict=True):
                names += [f"{name}{kind}_{k}" for k in range(part[0].numel())]
        return np.array(names, dtype=object)

    def inverse_transform(self, X: Array, group: Hashable = None) -> np.ndarray:
        """Return the signals that have these coefficients."""
        rows, low = as_signals(X), self.filters(group)
        like = self.bands(torch.zeros(1, *self.shape_, dtype=rows.dtype), group)
        shapes = [tuple(b.shape[1:]) for band in like for b in parts_of(band)]
        sizes = [math.prod(shape) for shape in shapes]
        if rows.ndim != 2 or rows.shape[1] != sum(sizes):
            raise InputError(
                f"coefficients have shape {tuple(rows.shape)}, expected {sum(sizes)} columns; give "
                "what transform returned."
            )
        cut = [
            part.reshape(-1, *shape)
            for part, shape in zip(rows.split(sizes, 1), shapes, strict=True)
        ]
        if self.layout_.axes == 1:
            found = idwt(cut, low, length=self.shape_[0], mode=self.mode)
        else:
            nested: Bands2 = [cut[0]]
            nested += [(cut[i], cut[i + 1], cut[i + 2]) for i in range(1, len(cut), 3)]
            shape = (self.shape_[0], self.shape_[1])
            found = idwt2(nested, low, shape=shape, mode=self.mode)
        signals: np.ndarray = found.cpu().numpy()
        return signals

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings by name."""
        names = inspect.signature(type(self).__init__).parameters
        return {name: getattr(self, name) for name in names if name != "self"}

    def set_params(self, **settings: Any) -> "WaveletDistiller":
        """Change settings by name.

        Raises
        ------
        ConfigError
            If there is no such setting.
        """
        unknown = settings.keys() - self.get_params().keys()
        if unknown:
            raise ConfigError(
                f"'{min(unknown)}' is no setting of WaveletDistiller; there are "
                f"{', '.join(self.get_params())}."
            )
        for name, value in settings.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        """Return the settings that are not the default."""
        known = inspect.signature(type(self).__init__).parameters
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if value is not known[name].default and repr(value) != repr(known[name].default)
        ]
        return f"WaveletDistiller({', '.join(changed)})"

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "paths_")

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(),
        )

    def _fitted(self) -> dict[Hashable, Path]:
        if not hasattr(self, "paths_"):
            raise ConfigError("this WaveletDistiller is not fitted; call fit first.")
        return self.paths_

    def _choices(self) -> tuple[Mode, Attribution]:
        return check_mode(self.mode), check_attribution(self.attribution)

    def _layout(self, x: Tensor) -> Layout:
        self._choices()
        if not isinstance(self.taps, int | np.integer) or self.taps < 2 or self.taps % 2:
            raise ConfigError(
                f"{self.taps!r} taps were asked for; an orthonormal filter has an even number of "
                "at least 2."
            )
        if x.ndim not in (2, 3):
            raise InputError(
                f"the signals have shape {tuple(x.shape)}; give [sample, time] for signals or "
                "[sample, row, column] for images."
            )
        shortest = min(x.shape[1:])
        deepest = int(math.log2(shortest)) if shortest > 1 else 0
        level = min(_PLENTY, deepest) if self.level is None else self.level
        if level < 1 or level > deepest:
            raise InputError(
                f"signals of {shortest} samples have at most {deepest} levels, but {level} were "
                "asked for; give longer signals or fewer levels."
            )
        axes = x.ndim - 1
        return Layout(self.taps, level, axes, self.per_level, self.per_axis and axes == 2)

    def _notes(self) -> list[str]:
        notes = [note for start in self.starts for note in start_angles(start, self.taps)[1]]
        if min(self.shape_) < self.taps:
            notes.append(
                f"The signals have {min(self.shape_)} samples, fewer than the filter's "
                f"{self.taps} taps, so every coefficient meets an end; a shorter filter "
                "says more."
            )
        return notes

    def _ratios(self) -> Sequence[float]:
        if self.ratios is None:
            return RATIOS
        if isinstance(self.ratios, int | float):
            return (float(self.ratios),)
        return [float(r) for r in self.ratios]

    def _gradients(
        self,
        x: Tensor,
        teacher: Teacher | None,
        gradients: Array | None,
        function: Callable[[Tensor], Tensor] | None,
    ) -> Tensor:
        if sum(given is not None for given in (teacher, gradients, function)) != 1:
            raise ConfigError(
                "give exactly one of teacher, gradients and gradient_function: what is distilled "
                "is how an output changes with the input."
            )
        if teacher is not None:
            nodes = self.nodes if self.attribution == "integrated_gradients" else 0
            return input_gradients(
                teacher, x, targets=np.ravel(self.targets).tolist(), chunk=self.chunk, nodes=nodes
            )
        found = function(x) if function is not None else gradients
        g = as_signals(found, "gradients").detach().to(x.device, x.dtype)
        g = g.unsqueeze(0) if g.ndim == x.ndim else g
        if g.shape[1:] != x.shape:
            raise InputError(
                f"the gradients have shape {tuple(g.shape)}, the signals {tuple(x.shape)}; give "
                "gradients of that shape, or with an axis of targets before it."
            )
        return g
