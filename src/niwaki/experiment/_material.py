"""Reading and aligning everything a fit is given, before anything is written."""

from dataclasses import dataclass
from pathlib import Path

from niwaki.core import AlignmentReport, InputError, Network, Trajectories
from niwaki.data import Reading, constant_genes, read_expression
from niwaki.experiment._config import Inputs
from niwaki.knowledge import align, read_network, symmetric_ppi, transpose


@dataclass(frozen=True)
class Aligned:
    """A table of edges on the genes of the expression data, and how well it fits them."""

    network: Network
    report: AlignmentReport


@dataclass(frozen=True)
class Material:
    """What a fit works on: expression, and networks over its genes.

    Attributes
    ----------
    label
        Name of the expression data for people, such as its file name.
    data, test
        Expression to fit, and expression to test forecasts on.
    prior, ppi, reference
        Suspected edges, regulator interactions, and a known network to score against.
    scope
        ``assayed``: judge only regulators of which the reference knows a target; ``all``: judge
        all pairs of genes.
    notes
        Sentences on what was assumed while reading.
    """

    label: str
    data: Trajectories
    prior: Aligned | None = None
    ppi: Aligned | None = None
    reference: Aligned | None = None
    test: Trajectories | None = None
    scope: str = "assayed"
    notes: tuple[str, ...] = ()


def read_material(inputs: Inputs) -> Material:
    """Read every file that `inputs` names and align it to the genes of the expression data.

    Raises
    ------
    InputError
        If a file cannot be used; the sentence names it and says what to do.
    """
    reading = _read(inputs.data, inputs)
    genes = reading.trajectories.genes
    notes = list(reading.notes)

    def network(path: str | None, *, swap: bool = False) -> Aligned | None:
        return None if path is None else read_aligned(path, genes, swap=swap)

    test = None
    if inputs.test is not None:
        tested = _read(inputs.test, inputs)
        test = tested.trajectories.select_genes(genes)
        notes += [f"Test data: {note}" for note in tested.notes]
    return Material(
        label=Path(inputs.data).name,
        data=reading.trajectories,
        prior=network(inputs.prior, swap=inputs.transpose_prior),
        ppi=_undirected(network(inputs.ppi)),
        reference=network(inputs.reference),
        test=test,
        scope=inputs.scope,
        notes=tuple(notes),
    )


def _read(path: str, inputs: Inputs) -> Reading:
    """Read one expression file as `inputs` says how."""
    return read_expression(
        path,
        genes_file=inputs.genes,
        time_key=inputs.time_key,
        trajectory_key=inputs.trajectory_key,
        layer=inputs.layer,
    )


def make_material(
    data: Trajectories,
    *,
    prior: Network | None = None,
    ppi: Network | None = None,
    reference: Network | None = None,
    test: Trajectories | None = None,
    scope: str = "assayed",
    label: str = "expression data",
) -> Material:
    """Return material made of objects instead of files; networks are matched by gene name.

    Parameters
    ----------
    data, test
        Expression to fit, and expression to test forecasts on.
    prior, ppi, reference
        Suspected edges, regulator interactions, and a known network, over any genes.
    scope
        Region that the reference judges: ``assayed`` regulators or ``all``.
    label
        Name of the data for people.

    Raises
    ------
    AlignmentError
        If a network shares no edge with the genes of the data.
    InputError
        If a gene of the data is missing from `test`.

    Examples
    --------
    >>> reading = read_anndata(adata, time_key="dpt_pseudotime")  # doctest: +SKIP
    >>> edges = Network.from_edges(["GATA1", "GATA1"], ["KLF1", "SPI1"])  # doctest: +SKIP
    >>> fit(make_material(reading.trajectories, prior=edges), out="run")  # doctest: +SKIP
    """

    def network(given: Network | None, name: str) -> Aligned | None:
        return None if given is None else Aligned(*align(given, data.genes, file=name))

    return Material(
        label=label,
        data=data,
        prior=network(prior, "the prior"),
        ppi=_undirected(network(ppi, "the regulator interactions")),
        reference=network(reference, "the reference"),
        test=None if test is None else test.select_genes(data.genes),
        scope=scope,
    )


def _undirected(aligned: Aligned | None) -> Aligned | None:
    """Return regulator interactions with hints that fit them: they have no direction."""
    if aligned is None:
        return None
    kept = [hint for hint in aligned.report.hints if "--transpose-prior" not in hint]
    hints = [*kept, *symmetric_ppi(aligned.network)[1]]
    report = aligned.report.model_copy(update={"hints": hints, "orientation": "unknown"})
    return Aligned(aligned.network, report)


def read_aligned(path: str, genes: tuple[str, ...], *, swap: bool = False) -> Aligned:
    """Read a table of edges and align it to `genes`; `swap` exchanges sources and targets."""
    reading = read_network(path, genes=genes)
    network = transpose(reading.network) if swap else reading.network
    aligned, report = align(network, genes, file=Path(path).name)
    return Aligned(aligned, report.model_copy(update={"hints": [*reading.notes, *report.hints]}))


def check_dynamics(data: Trajectories) -> list[str]:
    """Return notes on genes that cannot be learned from.

    Raises
    ------
    InputError
        If no trajectory has two times, or nothing changes.
    """
    data.pairs()
    constant = constant_genes(data)
    if len(constant) == len(data.genes):
        raise InputError(
            "every gene is constant, so there is no dynamics to learn; check that the file holds "
            "expression over time and that times and genes were not swapped."
        )
    if not constant:
        return []
    names = ", ".join(constant[:3]) + (", ..." if len(constant) > 3 else "")
    return [
        f"{len(constant)} of {len(data.genes)} genes never change ({names}); they can act as "
        "inputs, but nothing can be learned about what regulates them."
    ]
