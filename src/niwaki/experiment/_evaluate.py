"""Scoring a finished run, or any table of edges, against a known network."""

from pathlib import Path

from niwaki.core import FIT, PRIOR_ALONE, Network, NetworkScore
from niwaki.data import read_gene_names
from niwaki.evaluation import strongest
from niwaki.experiment._config import FitConfig
from niwaki.experiment._folder import open_run
from niwaki.experiment._gene_arm import load_edges
from niwaki.experiment._material import read_aligned
from niwaki.experiment._predict import load_model
from niwaki.experiment._scoring import make_judge, model_scores
from niwaki.knowledge import align, read_network


def evaluate(
    network: Path | str,
    *,
    reference: Path | str,
    prior: Path | str | None = None,
    genes: Path | str | None = None,
    scope: str | None = None,
) -> list[NetworkScore]:
    """Return scores of a network and, where a prior is known, of the prior alone.

    Parameters
    ----------
    network
        A run folder, or a table of edges.
    reference
        Table of true edges.
    prior
        Table of suspected edges; a run brings its own.
    genes
        List of all genes among which edges could lie. Without it, a run brings its own, and a
        table is judged among the genes named in either file.
    scope
        ``assayed``: only regulators that the reference has targets of; ``all``: all pairs; by
        default `own_scope`.

    Raises
    ------
    InputError
        If a file cannot be used.
    """
    path, swap = Path(network), False
    model = load_model(path) if path.is_dir() else None
    if model is not None:
        universe = model.genes
        _, config, inputs = open_run(path)
        if prior is None and inputs is not None:
            prior, swap = inputs.prior, inputs.transpose_prior
    else:
        given = read_network(path)
        universe = _universe(genes, given.network, reference)
        found = align(given.network, universe, file=path.name)[0]
    truth = read_aligned(str(reference), universe).network
    believed = None if prior is None else read_aligned(str(prior), universe, swap=swap).network
    judge = make_judge(truth, believed, scope or own_scope(path))
    if model is not None:
        rows, _ = model_scores(judge, model, path.name, ranking=_ranking(path, config, universe))
    else:
        rows = [judge.score(found, path.name)]
        if believed is not None and len(found) > len(believed):
            rows.append(judge.score(strongest(found, len(believed)), f"{path.name}, strongest"))
    if believed is not None:
        rows.append(judge.score(believed, PRIOR_ALONE))
    return rows


def _ranking(run: Path, config: FitConfig, genes: tuple[str, ...]) -> Network | None:
    """Return all edges that a search weighed, by probability; None for another field."""
    edges = run / "checkpoint" / FIT
    searched = config.field == "gene" and edges.exists()
    return load_edges(edges).ranking(genes) if searched else None


def own_scope(network: Path | str) -> str:
    """Return the pairs that a network is judged by unless asked otherwise: a run's own, if it has.

    Raises
    ------
    RunFolderError
        If a folder is not a run.
    """
    path = Path(network)
    inputs = open_run(path)[2] if path.is_dir() else None
    return "assayed" if inputs is None else inputs.scope


def _universe(genes: Path | str | None, found: Network, reference: Path | str) -> tuple[str, ...]:
    if genes is not None:
        return tuple(read_gene_names(genes))
    return tuple(sorted({*found.genes, *read_network(reference).network.genes}))
