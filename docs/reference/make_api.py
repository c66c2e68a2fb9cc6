"""Write docs/reference/api.md from the docstrings: python docs/reference/make_api.py."""

import importlib
import inspect
from pathlib import Path
from types import ModuleType

PAGE = Path(__file__).with_name("api.md")
PACKAGES = (
    *("experiment", "data", "knowledge", "dynamics", "pruning", "evaluation", "attribution"),
    *("wavelets", "motifs"),
    *("report", "sweep", "core"),
)
INTRODUCTION = """# Public names

`python docs/reference/make_api.py` writes this page from the docstrings, and a test keeps it up to
date. In Python, `help(niwaki.experiment.fit)` shows arguments, units and errors. Start with
[the same job in Python](../how-to/python-api.md). Names that are not on this page may change at any
time. Packages import only packages below them in
[the layer graph](../decisions/0001-layer-graph.md).
"""
PLAIN = {  # what has no docstring of its own
    "CRITERIA": "The criteria by name.",
    "CHAIN_NEEDS": "What criteria of chains need to know of weights, by name.",
    "GRIDS": "The settings that a benchmark tries for each method.",
    "Loss": "A loss of a module on one batch: `loss(module, batch)`.",
    "SECTIONS": "The parts of the benchmark table.",
    "TableProgress": "A function called as `progress(done, all, what)`.",
    "WEIGHT_CRITERIA": "The criteria for any weight by name.",
    "DATA_SETS": "Files, addresses and checksums of the public data sets, by name.",
    "EdgeIndex": "One whole number per edge.",
    "EdgeMask": "One truth value per edge.",
    "EdgeVector": "One number per edge.",
    "GeneVector": "One number per gene.",
    "Layout": "The layouts of a table of expression: `phoenix`, `long`, `samples`, `genes`.",
    "Method": "Any way of stepping: `Exponential`, `RungeKutta4` or `DormandPrince`.",
    "dynamics.METHODS": "The solvers by name, as functions that make them.",
    "sweep.METHODS": "The methods of a benchmark by name, as configurations.",
    "MOTH_INPUTS": "Names of the inputs of the moth's inverse problem.",
    "MOTH_OUTPUTS": "Names of its outputs.",
    "MOTIFS": "The classes of motifs of a layered graph by name.",
    "NULL_WORDS": "What each null keeps, in words.",
    "NOISE_LEVELS": "The noise levels for which SIM350 has a prior.",
    "PairIndex": "One whole number per pair of observations.",
    "PairVector": "One number per pair of observations.",
    "Progress": "A function called as `progress(arm, epoch, epochs, held_out_loss)`.",
    "PUBLISHED": "Published scores of benchmark methods, by name.",
    "MOTH_CRITERIA": "Criteria that the moth study can prune by.",
    "PUBLISHED_SPARSITIES": "Nominal sparsities of the published moth study.",
    "SAMPLERS": "Samplers of random layered graphs by the name of their null.",
    "SPARSITIES": "Nominal sparsities of the short moth study.",
    "TRIADS": "Names of the 13 connected classes of three nodes.",
    "FIT": "Method of the rows of a fit; those of its controls name their prior.",
    "PRIOR_ALONE": "Method of the rows of the network that a fit was given.",
    "RECORD_VERSION": "Version of the format of `record.json`.",
    "StateArray": "States, `[gene, pair]`.",
    "TIME_NAMES": "Column names that are tried for time.",
    "TimesArray": "Times of one trajectory.",
    "TRAJECTORY_NAMES": "Column names that are tried for the trajectory.",
    "ValuesArray": "Expression along one trajectory, `[time, gene]`.",
}


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join([INTRODUCTION, *(_section(name) for name in PACKAGES)])


def _section(name: str) -> str:
    package = importlib.import_module(f"niwaki.{name}")
    public = [n for n, v in vars(package).items() if n[0] != "_" and not isinstance(v, ModuleType)]
    lines = [f"## niwaki.{name}", "", _first_line(package), ""]
    for entry in sorted(public, key=str.lower):
        text = PLAIN.get(f"{name}.{entry}") or PLAIN.get(entry)
        lines.append(f"- `{entry}`: {text or _first_line(getattr(package, entry))}")
    return "\n".join(lines) + "\n"


def _first_line(thing: object) -> str:
    text = thing.__doc__ if isinstance(thing, ModuleType) else inspect.getdoc(thing)
    return (text or "").strip().split("\n")[0].replace("``", "`")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
