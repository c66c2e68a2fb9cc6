"""A synthetic run folder: a record and its tables, with names that are awkward on purpose."""

import csv
import json
from pathlib import Path

import numpy as np

from niwaki.core import (
    AlignmentReport,
    ArmSummary,
    AttributedPair,
    AttributedRegulator,
    AttributionSummary,
    DataSummary,
    EdgeEvidence,
    ForecastScore,
    GeneCurve,
    NetworkScore,
    PathPoint,
    Provenance,
    RegulatorRow,
    RunRecord,
)

NASTY = [
    "<script>alert(1)</script>",
    "quo\"te's",
    "comma,gene",
    "tab\tgene",
    "Ångström-β",
    "a&b</svg>",
    "control\x08gene",
    "averyveryverylonggenenamethatgoesonandonandon",
]
COLUMNS = ["source", "target", "weight", "sign", "in_prior", "prior_weight", "status"]
WEIGHED_COLUMNS = [*COLUMNS[:4], "probability", "stability", *COLUMNS[4:]]
WEIGHED_ROWS = [
    ["A", "B", "1.5", "+", "1", "0.95", "1", "1", "kept"],
    ["A", "C", "-0.8", "-", "0.9995", "0.7", "0", "", "added"],
    ["A", "D", "0.2", "+", "0.81", "0.64", "1", "1", "untested"],
    ["A", "E", "0", "", "0.38", "0.27", "1", "1", "untested"],
    ["B", "D", "0", "", "9.4e-14", "0", "1", "1", "refuted"],
]


def names(count: int) -> list[str]:
    plain = [f"GENE{i:04d}" for i in range(max(0, count - len(NASTY)))]
    return [*NASTY, *plain][:count]


def score(method: str, *, f1: float, edges: int = 412, sparsity: float | None = None):
    return NetworkScore(
        method=method,
        sparsity=sparsity,
        edges=edges,
        mean_out_degree=edges / 100,
        precision=min(1.0, f1 * 0.95),
        recall=min(1.0, f1 * 1.06),
        f1=f1,
        balanced_accuracy=0.5 + f1 / 2,
        auprc=f1 * 0.9,
        auprc_ratio=f1 * 180,
        early_precision=f1,
        missing=22,
        missing_found=0.41,
        false=18,
        false_rejected=0.83,
    )


def path(rounds: int = 12) -> list[PathPoint]:
    points = []
    for i in range(rounds):
        sparsity = 0.0 if i == 0 else 1 - 0.3 * 0.72 ** (i - 1)
        loss = 0.0021 + 0.0011 * np.exp(-i / 2) + (0.00006 * 2.0 ** (i - 5) if i > 5 else 0)
        edges = 412 if i == 9 else int(9900 * (1 - sparsity) ** 0.84) + 20
        points.append(
            PathPoint(
                round=i,
                epoch=60 + 12 * i,
                sparsity=sparsity,
                weights=int(16000 * (1 - sparsity)),
                edges=edges,
                mean_out_degree=edges / 100,
                train_loss=loss * 0.8,
                held_out_loss=loss,
                held_out_se=loss * 0.07,
                selected=i == 9,
                score=score("fit", f1=0.9 * (1 - np.exp(-((i + 0.5) ** 2) / 40)), edges=edges),
            )
        )
    return points


def curves(genes: list[str]) -> list[GeneCurve]:
    fine = np.linspace(0, 10, 60)
    times = np.linspace(0, 10, 9)
    made = []
    for g, gene in enumerate(genes):
        for t, trajectory in enumerate(["donor 7", "donor 8", "donor 1"]):

            def value(x, g=g, t=t):
                return 0.5 + 0.4 * np.sin(x * (0.3 + 0.08 * g) + t) * np.exp(-x / (6 + g))

            noise = 0.03 * np.sin(37.0 * (g + 1) * (times + t + 1))
            made.append(
                GeneCurve(
                    gene=gene,
                    trajectory=trajectory,
                    held_out=t < 2,
                    times=times.tolist(),
                    observed=(value(times) + noise).tolist(),
                    predicted_times=fine.tolist(),
                    predicted=value(fine).tolist(),
                )
            )
    return made


def alignment(file: str) -> AlignmentReport:
    return AlignmentReport(
        file=file,
        edges_read=240,
        edges_kept=231,
        genes_read=104,
        genes_shared=100,
        regulators_read=42,
        regulators_found=40,
        signed=False,
        orientation="ok",
        hints=["4 gene names of the prior are not in the data, for instance 'gene0012'."],
    )


def regulators(genes: list[str]) -> list[RegulatorRow]:
    return [
        RegulatorRow(
            gene=gene,
            targets=30 - i,
            strength=8.0 / (1 + 0.3 * i),
            prior_targets=25 - i // 2,
            kept=20 - i // 2,
            added=10 - i // 4,
            removed=5,
        )
        for i, gene in enumerate(genes)
    ]


def record(**changes) -> RunRecord:
    genes = names(100)
    content = RunRecord(
        title="Simulated demo, 100 genes",
        criterion="dash",
        field="phoenix",
        lambda1=0.5,
        lambda2=0.05,
        selection="one-se",
        data=DataSummary(
            file="demo.csv",
            genes=100,
            trajectories=20,
            observations=180,
            pairs=160,
            first_time=0,
            last_time=10,
            minimum=0.01,
            maximum=1.32,
            constant_genes=0,
            held_out="4 of 20 trajectories",
        ),
        prior=alignment("prior.tsv"),
        path=path(),
        arms=[
            ArmSummary(
                method=method,
                epochs=200,
                selected_round=9,
                sparsity=0.978,
                edges=edges,
                held_out_loss=loss,
                held_out_se=0.00015,
            )
            for method, loss, edges in (
                ("fit", 0.0022, 412),
                ("shuffled prior", 0.0036, 650),
                ("no prior", 0.0033, 590),
            )
        ],
        networks=[
            score("fit", f1=0.831, sparsity=0.978),
            score("prior alone", f1=0.902, edges=231),
            score("fit, strongest", f1=0.871, edges=231),
            score("shuffled prior alone", f1=0.013, edges=231),
            score("fit, shuffled prior", f1=0.112, edges=650),
            score("fit, no prior", f1=0.243, edges=590),
        ],
        forecasts=[
            ForecastScore(method=m, data="held-out", one_step_mse=a, rollout_mse=b)
            for m, a, b in (
                ("fit", 0.0022, 0.0089),
                ("fit, no prior", 0.0033, 0.0125),
                ("persistence", 0.0041, 0.051),
                ("training mean at t", 0.022, 0.022),
                ("ridge linear ODE", 0.0033, 0.0081),
            )
        ],
        regulators=regulators(genes[:25]),
        curves=curves([genes[0], *genes[8:18], genes[4]]),
        edges_total=412,
        edges_written=412,
        solver_audit=3.1e-5,
        warnings=["12 % of the values are zero; the model sees them as true zeros."],
        provenance=Provenance(
            niwaki="0.1.0",
            python="3.11.9",
            torch="2.8.0",
            platform="Linux x86_64",
            device="cpu",
            threads=2,
            seed=0,
            command="niwaki fit demo.csv --prior prior.tsv --out run",
            inputs={"demo.csv": "sha256:" + "0af3" * 16, "prior.tsv": "sha256:" + "9b1c" * 16},
            wall_seconds=74.2,
            cpu_seconds=139.9,
        ),
    )
    return content.model_copy(update=changes)


def evidence(**changes) -> EdgeEvidence:
    content = EdgeEvidence(
        prior_trust=0.81,
        signs_hold=0.96,
        effect_size=0.85,
        effect_decay=0.7,
        kept=180,
        added=33,
        refuted=40,
        untested=11,
    )
    return content.model_copy(update=changes)


def attribution(**changes) -> AttributionSummary:
    """Return contributions whose ranks differ from those of the edges."""
    genes = names(20)
    content = AttributionSummary(
        method="integrated gradients",
        baseline="mean state",
        degree=None,
        states=180,
        nodes=8,
        gap=2e-5,
        regulators=[
            AttributedRegulator(
                gene=gene,
                contribution=2.0 / (1 + i),
                share=0.3 / (1 + i),
                rank=i + 1,
                strength=8.0 / (1 + (7 * i) % 20),
                strength_rank=(7 * i) % 20 + 1,
            )
            for i, gene in enumerate(genes)
        ],
        compared=82,
        shared=61,
        regulators_compared=20,
        regulators_shared=15,
        only_by_edge=[pair(genes[0], genes[1], rank=300, weight=1.2, weight_rank=4)],
        only_by_attribution=[pair(genes[2], genes[3], rank=9, weight=None, weight_rank=None)],
    )
    return content.model_copy(update=changes)


def pair(source: str, target: str, **rest) -> AttributedPair:
    return AttributedPair(source=source, target=target, slope=-0.4, size=0.02, **rest)


def weighed(**changes) -> dict[str, object]:
    """Return what differs in the record of a fit that weighed every edge."""
    probabilities = (0.01, 0.1, 0.5, 0.9, 0.999)
    points = [
        point.model_copy(update={"probability": p, "selected": p == 0.5})
        for point, p in zip(path(5), probabilities, strict=True)
    ]
    content = {
        "criterion": "posterior",
        "field": "gene",
        "selection": "posterior",
        "path": points,
        "evidence": evidence(),
        "members": 50,
    }
    return content | changes


def edge_rows(genes: list[str], count: int, *, removed: int = 30, seed: int = 3):
    rng = np.random.default_rng(seed)
    hubs = genes[: max(4, len(genes) // 6)]
    share = 1 / np.arange(1, len(hubs) + 1)
    rows, seen = [], set()
    while len(rows) < count + removed:
        source = hubs[rng.choice(len(hubs), p=share / share.sum())]
        target = genes[rng.integers(len(genes))]
        if (source, target) in seen:
            continue
        seen.add((source, target))
        weight = rng.normal() * 0.5
        gone = len(rows) >= count
        known = gone or rng.random() < 0.6
        rows.append(
            [
                source,
                target,
                "" if gone else repr(weight),
                "" if gone else "+" if weight > 0 else "-",
                str(known).lower(),
                "1.0" if known else "",
                "removed" if gone else "kept" if known else "added",
            ]
        )
    return rows


def write_edges(file: Path, rows, columns=COLUMNS) -> None:
    with file.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def write_metrics(file: Path, epochs: int = 200) -> None:
    rng = np.random.default_rng(0)
    lines = []
    for epoch in range(1, epochs + 1):
        number = max(0, (epoch - epochs * 3 // 10) // 12)
        bump = 0.004 if epoch > 60 and (epoch - epochs * 3 // 10) % 12 < 2 else 0
        loss = 0.002 + 0.12 * float(np.exp(-epoch / 14)) + bump + 0.0002 * float(rng.random())
        row = {"epoch": epoch, "round": number, "train_loss": loss * 0.85, "held_out_loss": loss}
        lines.append(json.dumps(row | {"sparsity": 0.5, "learning_rate": 0.01}))
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_run(folder: Path, *, edges: int = 412, genes: int = 100, **changes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "record.json").write_text(record(**changes).to_json(), encoding="utf-8")
    write_edges(folder / "network.tsv", edge_rows(names(genes), edges))
    write_metrics(folder / "metrics.jsonl")
    return folder


def write_weighed_run(folder: Path, **changes) -> Path:
    write_run(folder, **weighed(**changes))
    write_edges(folder / "network.tsv", WEIGHED_ROWS, WEIGHED_COLUMNS)
    return folder
