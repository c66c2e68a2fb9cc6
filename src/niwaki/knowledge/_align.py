"""From the gene names of a table to the genes of the model, and what may have gone wrong."""

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from niwaki.core import AlignmentError, AlignmentReport, Network

_EXCEL = re.compile(r"\d{1,2}-[A-Z][a-z]{2}|[A-Z][a-z]{2}-\d{2}|\d{4}-\d{2}-\d{2}")
_SUFFIX = re.compile(r"(?<=\w)(\.\d+|_at|_[sxa]_at)$")


def align(network: Network, genes: Sequence[str], *, file: str) -> tuple[Network, AlignmentReport]:
    """Return the edges among `genes`, counted in their order, and how well the names fit.

    Names must be equal; a report that finds them nearly equal (case, version suffix, spaces) says
    so but changes nothing.

    Parameters
    ----------
    network
        Edges from any source.
    genes
        Genes of the model.
    file
        What to call the source of the network in messages.

    Raises
    ------
    AlignmentError
        If no edge has both genes in the model; the sentence names the nearest pair of names.
    """
    place = pd.Index(genes).get_indexer(pd.Index(network.genes)).astype(np.int64)
    source, target = place[network.source], place[network.target]
    keep = (source >= 0) & (target >= 0)
    used = np.union1d(network.source, network.target)
    if len(network) and not keep.any():
        raise AlignmentError(_nothing_shared([network.genes[i] for i in used], genes, file=file))
    aligned = Network(
        tuple(genes), source[keep], target[keep], network.weight[keep], network.signed
    )
    orientation, turned = _orientation(network)
    found = place[used] >= 0
    missing = [network.genes[i] for i in used[~found]]
    hints = [*_name_hints(missing, genes), *turned, *_excel_hint(missing)]
    regulators = network.regulators()
    report = AlignmentReport(
        file=file,
        edges_read=len(network),
        edges_kept=len(aligned),
        genes_read=len(used),
        genes_shared=int(found.sum()),
        regulators_read=len(regulators),
        regulators_found=int((place[regulators] >= 0).sum()),
        signed=network.signed,
        orientation=orientation,
        hints=hints,
    )
    return aligned, report


def transpose(network: Network) -> Network:
    """Return the network with sources and targets exchanged."""
    return replace(network, source=network.target, target=network.source)


def _orientation(network: Network) -> tuple[str, list[str]]:
    """Judge whether sources regulate targets: regulators are usually few and targets many."""
    sources, targets = len(np.unique(network.source)), len(np.unique(network.target))
    if len(network) < 10 or 2 * max(sources, targets) < 3 * min(sources, targets):
        return "unknown", []
    if targets > sources:
        return "ok", []
    return "suspicious", [
        f"{sources} sources but only {targets} targets: the table looks transposed, because "
        "regulators are usually fewer than targets; if so, use --transpose-prior (for a prior) or "
        "exchange its columns."
    ]


def _name_hints(missing: list[str], genes: Sequence[str]) -> list[str]:
    """Say which simple change of names would find more genes."""
    changes: dict[str, Callable[[str], str]] = {
        "upper and lower case were ignored": str.casefold,
        "version and probe suffixes (such as .12 or _at) were removed": _bare,
        "spaces around names were removed": str.strip,
    }
    hints = []
    for change, apply in changes.items():
        known = {apply(gene) for gene in genes}
        more = sum(apply(name) in known for name in missing)
        if more:
            hints.append(f"{more} more genes would be found if {change}.")
    return hints


def _excel_hint(missing: list[str]) -> list[str]:
    dates = [name for name in missing if _EXCEL.fullmatch(name)]
    if not dates:
        return []
    return [
        f"{len(dates)} gene names look like dates (first: '{dates[0]}'), as spreadsheets make of "
        "names such as MARCH1 or SEPT2; restore them from the original file."
    ]


def _bare(name: str) -> str:
    return _SUFFIX.sub("", name)


def _nothing_shared(names: list[str], genes: Sequence[str], *, file: str) -> str:
    """Return the sentence for a table that shares no edge with the data."""
    both = set(genes) & set(names)
    if both:
        return (
            f"{file} shares {len(both)} gene names with the expression data (such as "
            f"'{min(both)}'), but no edge has both its genes there; check that the right columns "
            "were read."
        )
    near = _nearest(sorted(names), sorted(genes))
    if near is not None:
        return (
            f"{file} shares no gene name with the expression data; the nearest are '{near[0]}' "
            f"there and '{near[1]}' in the data, so bring both to one spelling."
        )
    return (
        f"{file} shares no gene name with the expression data (there '{min(names)}', in the data "
        f"'{min(genes)}'); convert one of them to the other's kind of identifier."
    )


def _nearest(names: list[str], genes: list[str]) -> tuple[str, str] | None:
    """Return a name and a gene that are spelled nearly alike, if any are."""
    plain = {_plain(gene): gene for gene in genes}
    equal = next((name for name in names if _plain(name) in plain), None)
    if equal is not None:
        return equal, plain[_plain(equal)]
    sample = list(plain)[:2000]
    for name in names[:20]:
        close = difflib.get_close_matches(_plain(name), sample, n=1, cutoff=0.8)
        if close:
            return name, plain[close[0]]
    return None


def _plain(name: str) -> str:
    return _bare(name.strip()).casefold()
