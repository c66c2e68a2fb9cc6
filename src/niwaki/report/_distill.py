"""The page of a distillation: one offline HTML file from its record."""

from pathlib import Path
from typing import Any

from markupsafe import Markup

from niwaki.core import DistillRecord, RunFolderError, write_atomic
from niwaki.report._distill_figures import (
    bands_figure,
    distance_figure,
    path_figure,
    response_figure,
    score_figure,
    shares_figure,
    wavelet_figure,
)
from niwaki.report._format import ABSENT, count, number, plural, share, short
from niwaki.report._page import REPORT, environment, page_policy, static_file
from niwaki.report._standalone import with_style
from niwaki.report._tables import Row, Table


def write_distill_report(folder: Path) -> Path:
    """Write ``report.html`` and ``figures/*.svg`` of a distillation; return the page's path.

    Raises
    ------
    RunFolderError
        If the folder holds no record of a distillation.
    StorageError
        If a file cannot be written.
    """
    record = _record(folder)
    figures = distill_figures(record)
    place = folder / "figures"
    place.mkdir(exist_ok=True)
    for name, figure in figures.items():
        if figure is not None:
            write_atomic(place / f"{name}.svg", with_style(figure) + "\n")
    path = folder / REPORT
    write_atomic(path, build_distill_report(record))
    return path


def build_distill_report(record: DistillRecord) -> str:
    """Return the page; the same record always gives the same page."""
    style = static_file("report.css")
    return (
        environment()
        .get_template("distill.html.j2")
        .render(
            record=record,
            key_numbers=_key_numbers(record),
            headline=_headline(record),
            figures=distill_figures(record),
            tables=_tables(record),
            style=Markup(style),  # ours, from the package
            policy=page_policy(style, ""),
        )
    )


def distill_figures(record: DistillRecord) -> dict[str, Markup | None]:
    """Return every figure of a distillation by name; None where there is nothing to draw."""
    return {
        "wavelet": wavelet_figure(record, "wavelet"),
        "scaling": wavelet_figure(record, "scaling"),
        "response": response_figure(record),
        "shares": shares_figure(record),
        "path": path_figure(record),
        "score": score_figure(record),
        "distance": distance_figure(record),
        "bands": bands_figure(record),
    }


def _record(folder: Path) -> DistillRecord:
    path = folder / "record.json"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunFolderError(
            f"{path} cannot be read; give the folder that niwaki distill wrote."
        ) from error
    return DistillRecord.from_json(text, where=str(path))


def _row(record: DistillRecord, method: str) -> Any:
    return next((row for row in record.rows if row.method == method), None)


def _key_numbers(record: DistillRecord) -> list[dict[str, Any]]:
    own, teacher = _row(record, "distilled"), _row(record, "teacher")
    fixed = _row(record, record.curves[1].name)
    items: list[dict[str, Any]] = []
    if own is not None and fixed is not None:
        better = own.test_r2 > fixed.test_r2
        items.append(
            _item("R² of the distilled model on held-out samples", number(own.test_r2), better)
        )
        items.append(_item(f"R² of {fixed.method}, not adapted", number(fixed.test_r2)))
        if teacher is not None:
            items.append(_item("R² of the teacher", number(teacher.test_r2)))
        items.append(_item("numbers in the distilled model", count(own.parameters)))
    chosen = _chosen(record)
    items.append(_item("coefficients that matter", share(chosen.kept)))
    return items


def _item(caption: str, value: str, good: bool | None = None) -> dict[str, Any]:
    return {"caption": caption, "value": value, "good": good}


def _chosen(record: DistillRecord) -> Any:
    return next(point for point in record.path if point.selected)


def _headline(record: DistillRecord) -> list[str]:
    chosen, name = _chosen(record), record.curves[1].name
    held = max(record.bands, key=lambda band: band.attributions)
    periods = (
        f"periods above {short(held.shortest)} samples"
        if held.longest is None
        else f"periods of about {short(held.shortest)} to {short(held.longest)} samples"
    )
    where = (
        f"Band {held.name} ({periods}) holds {share(held.attributions)} of what the teacher "
        f"reacts to, and {share(held.data)} of the data."
    )
    own, fixed, bare = (_row(record, m) for m in ("distilled", name, "no attribution"))
    found = (
        f"The wavelet with gamma / lambda = {_ratio(chosen.ratio)} stands at a distance of "
        f"{number(chosen.distance)} from {name} (shift, reversal and sign do not count)."
    )
    if own is None:
        return [where, found, "No response was given, so no linear model was fitted."]
    gain = own.test_r2 - max(fixed.test_r2, bare.test_r2)
    verdict = (
        f"On {plural(record.held_out, 'held-out sample')} a linear model of its coefficients "
        f"explains {share(own.test_r2)} of the variance, {name} {share(fixed.test_r2)}, a wavelet "
        f"fitted to the data without attributions {share(bare.test_r2)}."
    )
    if gain <= 0:
        verdict += " Distilling did not help here: a control does as well or better."
    return [where, verdict, found]


def _ratio(ratio: float | None) -> str:
    return "∞" if ratio is None else short(ratio)


def _tables(record: DistillRecord) -> dict[str, Table | None]:
    rows = [
        Row(
            [
                row.method,
                ABSENT if row.parameters is None else count(row.parameters),
                share(row.kept),
                number(row.cv_r2),
                number(row.test_r2),
                number(row.seconds),
            ],
            strong=row.method == "distilled",
        )
        for row in record.rows
    ]
    names = (
        "model|numbers|coefficients kept|R², cross-validated|R², held out|CPU s, transform included"
    )
    path = [
        Row(
            [
                _ratio(p.ratio),
                number(p.signals),
                number(p.attributions),
                share(p.kept),
                f"{number(p.r2)} ± {number(p.r2_sd, 2)}" if p.r2 is not None else ABSENT,
                number(p.distance),
                p.start,
                "chosen" if p.selected else "",
            ],
            strong=p.selected,
        )
        for p in record.path
    ]
    heads = (
        f"gamma / lambda|data|attributions|kept|R², cross-validated ± s.d.|distance to "
        f"{record.curves[1].name}|found from|choice"
    )
    taps = [
        Row(
            [
                f"h{n}",
                *(
                    number(curve.taps[n], 6) if n < len(curve.taps) else ABSENT
                    for curve in record.curves
                ),
            ]
        )
        for n in range(max(len(curve.taps) for curve in record.curves))
    ]
    settings = [Row([key, value]) for key, value in sorted(record.settings.items())]
    settings += [Row([key, value]) for key, value in sorted(record.provenance.items())]
    return {
        "models": Table("Models on held-out samples", names.split("|"), rows) if rows else None,
        "path": Table("The path", heads.split("|"), path),
        "taps": Table(
            "Low-pass filters, finest level", ["tap", *(c.name for c in record.curves)], taps
        ),
        "settings": Table("Settings", ["name", "value"], settings, words=2),
    }
