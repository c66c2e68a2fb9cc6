"""From trained arms to the record, the tables and the model of a run folder."""

import copy
import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from niwaki.core import (
    FIT,
    PRIOR_ALONE,
    ArmSummary,
    DivergedError,
    GeneCurve,
    NetworkScore,
    PathPoint,
    Provenance,
    RunRecord,
    TimesArray,
    Trajectories,
    ValuesArray,
)
from niwaki.data import Split
from niwaki.dynamics import audit
from niwaki.experiment._arm import ArmResult, Progress
from niwaki.experiment._arm_state import Problem, load_round
from niwaki.experiment._arms import networks_of
from niwaki.experiment._attribution import attribute_field
from niwaki.experiment._folder import RunFolder
from niwaki.experiment._gene_arm import EdgeTable, edge_evidence, join_prior, load_edges
from niwaki.experiment._graphml import to_graphml
from niwaki.experiment._material import Material
from niwaki.experiment._members import refit_stability
from niwaki.experiment._motif_files import network_motifs
from niwaki.experiment._network import network_table, read_out, regulator_rows
from niwaki.experiment._predict import FittedModel, predict, save_model
from niwaki.experiment._prepare import summarise
from niwaki.experiment._scoring import (
    Judge,
    arm_label,
    forecast_scores,
    make_judge,
    model_scores,
    prior_scores,
    select_round,
)
from niwaki.pruning import standard_error

_TOP_REGULATORS = 30
_CURVE_GENES = 6
_CURVE_TRAJECTORIES = 2
_CURVE_POINTS = 60
_SCORED_PAIRS = 25_000_000  # above, the edges of every round would fill the memory of a laptop


def write_results(
    folder: RunFolder,
    *,
    problem: Problem,
    material: Material,
    parts: Split,
    arms: dict[str, ArmResult],
    notes: list[str],
    provenance: Callable[[], Provenance],
    progress: Progress | None = None,
) -> RunRecord:
    """Write everything that a finished run holds, ``DONE`` last, and return the record.

    Parameters
    ----------
    folder
        The run folder.
    problem, material, parts
        What was fitted, on what, and what was held out.
    arms
        The fit and its controls, by name.
    notes
        Warnings met on the way.
    provenance
        Called last, so that it can tell the time taken.
    progress
        Told about every epoch of refits.
    """
    config = problem.config
    prior, ppi = networks_of(material)
    chosen = {name: select_round(a.rounds, config, problem.groups) for name, a in arms.items()}
    models = {
        name: fitted_model(problem, arms[name], arms[name].rounds[at].round)
        for name, at in chosen.items()
    }
    gene = config.field == "gene"
    tables = {name: load_edges(arm.folder) for name, arm in arms.items()} if gene else {}
    best = models[FIT]
    listed = read_out(best.field, best.masks, best.genes, limit=config.max_edges, prior=prior)
    stability = None
    if config.members and not gene:
        judged = replace(listed, network=join_prior(listed.network, prior)[0])
        kept = arms[FIT].rounds[chosen[FIT]].round
        stability = refit_stability(
            problem, arms[FIT], kept, judged, knowledge=(prior, ppi), progress=progress
        )
    attribution, pairs = attribute_field(best, material.data, listed)
    record = RunRecord(
        title=material.label,
        criterion=config.criterion or "",
        field=config.field or "",
        lambda1=config.lambda1,
        lambda2=config.lambda2,
        selection=str(config.select),
        data=summarise(material, parts),
        prior=material.prior.report if material.prior else None,
        ppi=material.ppi.report if material.ppi else None,
        reference=material.reference.report if material.reference else None,
        **_compared(problem, material, arms, chosen, models, tables),
        forecasts=forecast_scores(models, parts, material.test),
        regulators=regulator_rows(listed, prior, most=_TOP_REGULATORS),
        evidence=edge_evidence(arms[FIT], listed.network, prior) if gene else None,
        members=config.members or 0,
        motifs=network_motifs(listed.network, seed=config.seed),
        attribution=attribution,
        curves=_curves(best, material.data, parts),
        edges_total=listed.edges,
        edges_written=len(listed.network),
        solver_audit=_audit(best, problem),
        warnings=notes,
        provenance=provenance(),
    )
    save_model(folder.path / "model.safetensors", best)
    _write_files(
        folder,
        {
            "metrics.jsonl": "".join(json.dumps(m) + "\n" for m in arms[FIT].metrics),
            "path.tsv": _path_table(record.path),
            "network.tsv": network_table(listed.network, prior, tables.get(FIT), stability),
            "network.graphml": to_graphml(listed.network),
            "attribution.tsv": pairs,
            "record.json": record.to_json(),
            "DONE": "",
        },
    )
    return record


def _compared(
    problem: Problem,
    material: Material,
    arms: dict[str, ArmResult],
    chosen: dict[str, int],
    models: dict[str, FittedModel],
    tables: dict[str, EdgeTable],
) -> dict[str, Any]:
    """Return the path, the arms and, where there is a reference, the scores of every network."""
    prior = material.prior.network if material.prior else None
    truth = material.reference
    judge = make_judge(truth.network, prior, material.scope) if truth else None
    path = _path(problem, arms[FIT], chosen[FIT], judge)
    edges: dict[str, int] = {}
    scores: dict[str, list[NetworkScore]] = {}
    for name, model in models.items():
        if judge is None:
            edges[name] = read_out(model.field, model.masks, model.genes, limit=0).edges
            continue
        scores[name], edges[name] = model_scores(
            judge,
            model,
            arm_label(name),
            sparsity=path[chosen[FIT]].sparsity if name == FIT else None,
            ranking=tables[name].ranking(problem.genes) if name in tables else None,
        )
        if name == FIT:
            scores[PRIOR_ALONE] = prior_scores(judge, seed=problem.config.seed)
    return {
        "path": path,
        "arms": _summaries(problem, arms, chosen, edges),
        "networks": [row for rows in scores.values() for row in rows],
    }


def _write_files(folder: RunFolder, files: dict[str, str]) -> None:
    for name, content in files.items():
        folder.write(name, content)


def fitted_model(problem: Problem, arm: ArmResult, number: int) -> FittedModel:
    """Return the model of one round of an arm."""
    field, masks = load_round(problem, arm.folder, number)
    return FittedModel(problem.genes, field, masks, problem.method)


def _path(problem: Problem, arm: ArmResult, chosen: int, judge: Judge | None) -> list[PathPoint]:
    """Return one point per round; networks are scored where there is a reference."""
    sources = None if judge is None else judge.sources
    genes = len(problem.genes)
    if genes * (genes if sources is None else len(sources)) > _SCORED_PAIRS:
        judge = None
    points = []
    for at, entry in enumerate(arm.rounds):
        model, limit = fitted_model(problem, arm, entry.round), None if judge else 0
        network = read_out(model.field, model.masks, model.genes, limit=limit, sources=sources)
        points.append(
            PathPoint(
                round=entry.round,
                epoch=entry.epoch,
                sparsity=entry.sparsity,
                weights=entry.weights,
                edges=network.edges,
                mean_out_degree=network.edges / genes,
                probability=entry.probability,
                train_loss=entry.train_loss,
                held_out_loss=entry.loss,
                held_out_se=standard_error(entry.losses, problem.groups),
                selected=at == chosen,
                score=judge.score(network.network, FIT, sparsity=entry.sparsity) if judge else None,
            )
        )
    return points


def _path_table(path: list[PathPoint]) -> str:
    """Return the path as TSV, scores beside losses."""
    plain = [name for name in PathPoint.model_fields if name != "score"]
    scored = ["precision", "recall", "f1", "balanced_accuracy"] if path[0].score else []
    if scored and path[0].probability is None:  # else one ranking of all edges has one AUPRC
        scored.append("auprc")
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerow([*plain, *scored])
    for point in path:
        values = [getattr(point, name) for name in plain]
        writer.writerow([*map(_cell, values), *(_cell(getattr(point.score, n)) for n in scored)])
    return out.getvalue()


def _cell(value: object) -> object:
    return int(value) if isinstance(value, bool) else value


def _summaries(
    problem: Problem,
    arms: dict[str, ArmResult],
    chosen: dict[str, int],
    edges: dict[str, int],
) -> list[ArmSummary]:
    """Return what each arm ended with, and how sure its distance from the fit is."""
    kept = {name: arm.rounds[chosen[name]] for name, arm in arms.items()}
    apart = {name: entry.losses - kept[FIT].losses for name, entry in kept.items() if name != FIT}
    return [
        ArmSummary(
            method=name,
            epochs=arms[name].epochs,
            selected_round=entry.round,
            sparsity=entry.sparsity,
            edges=edges[name],
            held_out_loss=entry.loss,
            held_out_se=standard_error(entry.losses, problem.groups),
            difference_se=standard_error(apart[name], problem.groups) if name in apart else None,
        )
        for name, entry in kept.items()
    ]


def _audit(model: FittedModel, problem: Problem) -> float | None:
    """Return the solver's error over at most 64 training pairs (data units); None if it failed."""
    few = slice(0, 64)
    double = copy.deepcopy(model.field).double()
    try:
        return audit(
            model.field,
            double,
            start=problem.train.start[:, few],
            gaps=problem.train.gaps[few],
            method=problem.method,
        )
    except DivergedError:  # a field too stiff for the check must not lose a run
        return None


def _curves(model: FittedModel, data: Trajectories, parts: Split) -> list[GeneCurve]:
    """Return roll-outs of the genes that vary most, held-out trajectories first."""
    spread = data.stack().std(0)
    genes = np.argsort(-spread, kind="stable")[:_CURVE_GENES]
    held = parts.held_out_index if parts.kind == "trajectories" else ()
    order = [*held, *(i for i in range(len(data)) if i not in held)]
    order = [i for i in order if len(data.items[i].times) > 1][:_CURVE_TRAJECTORIES]
    curves = []
    for index in order:
        item = data.items[index]
        times = np.union1d(item.times, np.linspace(item.times[0], item.times[-1], _CURVE_POINTS))
        fine = _roll_out(model, data.subset([index]), times)
        for gene in genes:
            curves.append(
                GeneCurve(
                    gene=data.genes[gene],
                    trajectory=item.name,
                    held_out=index in held,
                    times=item.times.tolist(),
                    observed=item.values[:, gene].tolist(),
                    predicted_times=times.tolist(),
                    predicted=fine[:, gene].tolist(),
                )
            )
    return curves


def _roll_out(model: FittedModel, start: Trajectories, times: TimesArray) -> ValuesArray:
    """Return predicted states; NaN if they leave the finite range, which must not lose a run."""
    try:
        return predict(model, start, times=times, measured=True).items[0].values
    except DivergedError:
        return np.full((len(times), len(model.genes)), np.nan)
