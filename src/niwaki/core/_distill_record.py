"""What a distillation leaves: the torch-free content of its ``record.json``."""

import json
from typing import Any

from pydantic import Field, ValidationError

from niwaki.core._errors import RunFolderError
from niwaki.core._readings import Measured, Record

DISTILL_VERSION = 1


class DistillPoint(Record):
    """The best wavelet for one ratio of attributions to signals.

    Attributes
    ----------
    ratio
        gamma / lambda; None for infinity, attributions alone.
    signals, attributions
        Sparsity of both: mean absolute value over root mean square (dimensionless).
    start
        Where the search for it began.
    kept
        Share of coefficients that exceed a tenth of the root mean square in data and attributions.
    r2, r2_sd
        Cross-validated share of explained variance on training samples, where there is a response.
    distance
        Canonical distance to the wavelet it is compared with.
    """

    ratio: float | None
    signals: float
    attributions: float
    start: str
    kept: float
    r2: float | None = None
    r2_sd: float | None = None
    distance: float
    selected: bool = False


class DistillRow(Record):
    """One model on held-out samples.

    Attributes
    ----------
    method
        ``distilled``, ``no attribution``, the fixed wavelet's name, or ``teacher``.
    parameters
        Numbers that make the model; None where unknown.
    kept
        As in `DistillPoint`; None for the teacher.
    cv_r2, test_r2
        Share of explained variance: cross-validated on training samples, and on held-out ones.
    seconds
        Processor time to predict all held-out samples, the transform included.
    """

    method: str
    parameters: int | None
    kept: float | None
    cv_r2: float | None
    test_r2: float | None
    seconds: float | None


class WaveletCurves(Record):
    """A wavelet as it is drawn.

    Attributes
    ----------
    name
        ``distilled``, or the name of a fixed wavelet.
    taps
        Low-pass filter, in PyWavelets' order; the finest level if levels differ.
    positions, scaling, wavelet
        Scaling function and wavelet function over samples of the finest level.
    frequencies, low_gain, high_gain
        Response of both filters (cycles per sample; dimensionless).
    """

    name: str
    taps: list[float]
    positions: list[float]
    scaling: list[float]
    wavelet: list[float]
    frequencies: list[float]
    low_gain: list[float]
    high_gain: list[float]


class BandSummary(Record):
    """One band of the chosen wavelet.

    Attributes
    ----------
    name
        ``A4``, ``D4``, ..., ``D1``.
    shortest, longest
        Periods that it holds (samples, of which a band's filter passes most); None without end.
    data, attributions
        Share of the energy of signals and of attributions.
    example, example_attributions
        Coefficients of one signal, and their attributions; empty for images.
    map, map_attributions
        The same for one image, as sizes over all orientations, at most 24 by 24 places of which
        each is the largest around it; empty for signals.
    """

    name: str
    shortest: float
    longest: float | None
    data: float
    attributions: float
    example: list[float] = Field(default_factory=list)
    example_attributions: list[float] = Field(default_factory=list)
    map: list[list[float]] = Field(default_factory=list)
    map_attributions: list[list[float]] = Field(default_factory=list)


class DistillRecord(Record):
    """All results of one ``niwaki distill``."""

    version: int = DISTILL_VERSION
    kind: str = "distill"
    title: str
    teacher: str
    data: str
    samples: int
    held_out: int
    shape: list[int]
    response: str
    settings: dict[str, str]
    path: list[DistillPoint]
    rows: list[DistillRow]
    curves: list[WaveletCurves]
    bands: list[BandSummary]
    example: list[Measured] = Field(default_factory=list)
    reconstruction_error: float
    searches: int
    teacher_seconds: float
    search_seconds: float
    warnings: list[str] = Field(default_factory=list)
    provenance: dict[str, str] = Field(default_factory=dict)

    def to_json(self) -> str:
        """Return the record as indented JSON."""
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str = "record.json") -> "DistillRecord":
        """Return the record that `text` holds.

        Raises
        ------
        RunFolderError
            If it is cut off, not the record of a distillation, or of another version.
        """
        try:
            content: Any = json.loads(text)
        except json.JSONDecodeError as error:
            raise RunFolderError(
                f"{where} is not complete JSON (it breaks at line {error.lineno}); the file was "
                "cut off or edited, so run niwaki distill again."
            ) from error
        kind = content.get("kind") if isinstance(content, dict) else None
        if kind != "distill" or content.get("version") != DISTILL_VERSION:
            raise RunFolderError(
                f"{where} is not the record of a distillation that this Niwaki reads; run niwaki "
                "distill again."
            )
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise RunFolderError(
                f"{where} does not fit its format at '{place}' ({first['msg']}); run niwaki "
                "distill again."
            ) from error
