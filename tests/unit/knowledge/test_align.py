import pytest

from niwaki.core import AlignmentError, Network
from niwaki.knowledge import align, transpose


def network(*pairs, **options):
    return Network.from_edges([s for s, _ in pairs], [t for _, t in pairs], **options)


def test_edges_among_the_models_genes_are_kept_and_counted():
    prior = network(("A", "B"), ("A", "X"), ("C", "A"), ("Y", "Z"), weight=[1.0, 2.0, 3.0, 4.0])
    aligned, report = align(prior, ["C", "B", "A"], file="p.csv")
    assert aligned.genes == ("C", "B", "A")
    assert aligned.to_sparse().toarray().tolist() == [[0, 0, 0], [0, 0, 1], [3, 0, 0]]
    assert (report.edges_read, report.edges_kept) == (4, 2)
    assert (report.genes_read, report.genes_shared) == (6, 3)
    assert (report.regulators_read, report.regulators_found) == (3, 2)
    assert report.hints == []


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("tp53", "Myc"), "2 more genes would be found if upper and lower case were ignored"),
        (("TP53.12", "MYC_at"), "2 more genes would be found if version"),
        (("TP53 ", " MYC"), "2 more genes would be found if spaces"),
        (("1-Mar", "Sep-02"), "2 gene names look like dates"),
    ],
)
def test_names_that_nearly_match_are_hinted_at(names, words):
    prior = network(("A", "B"), names)
    _, report = align(prior, ["A", "B", "TP53", "MYC"], file="p.csv")
    assert report.genes_shared == 2
    assert any(words in hint for hint in report.hints)


def test_a_suffix_in_the_data_is_hinted_at_too():
    prior = network(("A", "B"), ("ENSG001", "B"))
    _, report = align(prior, ["A", "B", "ENSG001.4"], file="p.csv")
    assert "1 more genes" in report.hints[0]


def test_nothing_shared_names_the_nearest_names():
    with pytest.raises(AlignmentError, match=r"p\.csv .* 'tp53' there and 'TP53' in the data"):
        align(network(("tp53", "zzz")), ["TP53", "GAPDH"], file="p.csv")
    with pytest.raises(AlignmentError, match="kind of identifier"):
        align(network(("7157", "4609")), ["TP53", "GAPDH"], file="p.csv")
    with pytest.raises(AlignmentError, match="no edge has both"):
        align(network(("TP53", "x"), ("x", "GAPDH")), ["TP53", "GAPDH"], file="p.csv")


def test_many_sources_of_few_targets_look_transposed():
    prior = network(*[("R", f"t{i}") for i in range(20)])
    genes = prior.genes
    assert align(prior, genes, file="p.csv")[1].orientation == "ok"
    turned, report = align(transpose(prior), genes, file="p.csv")
    assert report.orientation == "suspicious"
    assert "--transpose-prior" in report.hints[0]
    assert (transpose(turned).to_sparse() != prior.to_sparse()).nnz == 0


def test_a_small_or_square_network_says_nothing_about_orientation():
    assert align(network(("A", "B")), ["A", "B"], file="p")[1].orientation == "unknown"
    ring = network(*[(f"g{i}", f"g{(i + 1) % 12}") for i in range(12)])
    assert align(ring, ring.genes, file="p")[1].orientation == "unknown"


def test_an_empty_network_aligns_to_an_empty_one():
    aligned, report = align(network(genes=["A"]), ["B"], file="p")
    assert len(aligned) == report.edges_kept == 0
