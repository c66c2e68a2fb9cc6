import csv
import io
import itertools

import networkx
import numpy as np
import pytest
from unit.experiment.study import chain_network, small

from niwaki.core import ConfigError, Network, NetworkScore, PathPoint
from niwaki.experiment._arm_state import Round
from niwaki.experiment._graphml import to_graphml
from niwaki.experiment._network import network_table, prior_weights, regulator_rows
from niwaki.experiment._results import _path_table
from niwaki.experiment._scoring import make_judge, select_round
from niwaki.pruning import EffectiveNetwork

GENES = ("a", "b", "c")
AWKWARD = ("com,ma", 'qu"ote', "ta\tb", "<script>alert('x')</script>", "Ångström-β", "a&b", " pad")


@pytest.fixture
def found():
    return Network.from_edges(
        ["a", "a", "b"], ["b", "c", "c"], weight=[0.5, -2.0, 1.0], genes=GENES, signed=True
    )


@pytest.fixture
def prior():
    # one edge that the fit keeps, two that it removes
    return Network.from_edges(
        ["a", "c", "b"], ["b", "a", "b"], weight=[3.0, 1.0, 0.25], genes=GENES
    )


def rows(text):
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))


def test_the_table_says_what_was_kept_added_and_removed(found, prior):
    short = [
        (r["source"], r["target"], float(r["weight"]), r["sign"], r["prior_weight"], r["status"])
        for r in rows(network_table(found, prior))
    ]
    assert short == [
        ("a", "c", -2.0, "-", "", "added"),
        ("b", "c", 1.0, "+", "", "added"),
        ("a", "b", 0.5, "+", "3", "kept"),
        ("c", "a", 0.0, "", "1", "removed"),
        ("b", "b", 0.0, "", "0.25", "removed"),
    ]
    assert [r["in_prior"] for r in rows(network_table(found, prior))] == list("00111")
    assert {r["status"] for r in rows(network_table(found, None))} == {"added"}


def test_prior_weights_match_edges_in_any_order(found, prior):
    np.testing.assert_array_equal(prior_weights(found, prior), [3.0, np.nan, np.nan])
    assert np.isnan(prior_weights(found, None)).all()
    nothing = prior.where(np.zeros(3, dtype=bool))
    assert np.isnan(prior_weights(found, nothing)).all()
    np.testing.assert_array_equal(prior_weights(prior, prior), prior.weight)


def test_regulators_are_ranked_by_strength_and_compared_with_the_prior(found, prior):
    whole = EffectiveNetwork(found, 3, np.array([2, 1, 0]), np.array([2.5, 1.0, 0.0]))
    first, second = regulator_rows(whole, prior, most=5)
    assert (first.gene, first.targets, first.strength) == ("a", 2, 2.5)
    assert (first.prior_targets, first.kept, first.added, first.removed) == (1, 1, 1, 0)
    assert (second.gene, second.kept, second.added, second.removed) == ("b", 0, 1, 1)
    assert len(regulator_rows(whole, prior, most=1)) == 1


def test_awkward_gene_names_come_out_right():
    network = chain_network(AWKWARD)
    table = rows(network_table(network, None))
    assert sorted(r["source"] for r in table) == sorted(AWKWARD[:-1])
    graph = networkx.read_graphml(io.BytesIO(to_graphml(network).encode()))
    names = networkx.get_node_attributes(graph, "name")
    assert {(names[s], names[t]) for s, t in graph.edges} == set(itertools.pairwise(AWKWARD))
    assert all(data["weight"] == 1.0 and data["sign"] == "+" for *_, data in graph.edges(data=True))


def test_characters_that_xml_cannot_hold_are_left_out():
    network = chain_network(("a\x00b\x1f", "c\ufffe\ud800d"))
    graph = networkx.read_graphml(io.BytesIO(to_graphml(network).encode()))
    assert sorted(networkx.get_node_attributes(graph, "name").values()) == ["ab", "cd"]


def point(number, **changes):
    values = {"round": number, "epoch": 1, "sparsity": 0.5, "weights": 4, "edges": 2}
    values |= {"mean_out_degree": 0.5, "train_loss": 0.1, "held_out_loss": float("nan")}
    return PathPoint(**values, held_out_se=0.0, **changes)


def test_the_path_table_has_scores_where_there_is_a_reference():
    plain = rows(_path_table([point(0), point(1, selected=True)]))
    assert [r["selected"] for r in plain] == ["0", "1"]
    assert "f1" not in plain[0]
    score = make_judge(chain_network(), None, "all").score(chain_network(), "fit")
    scored = rows(_path_table([point(0, score=score)]))
    assert isinstance(score, NetworkScore)
    assert (scored[0]["f1"], scored[0]["balanced_accuracy"]) == ("1.0", "1.0")


@pytest.mark.parametrize(("select", "expected"), [("one-se", 2), ("best", 1), ("last", 3)])
def test_each_rule_selects_its_round(select, expected):
    losses = np.array([[9.0, 9.0], [1.0, 2.0], [1.1, 1.9], [4.0, 4.1]])
    path = [
        Round(number, number + 1, 0.2 * number, 10 - number, 0.0, loss)
        for number, loss in enumerate(losses)
    ]
    # round 2 differs from the best by 0 +- 0.1: as good, and sparser
    assert select_round(path, small(select=select), np.array([0, 1])) == expected


def test_a_scope_is_assayed_or_all():
    reference = Network.from_edges(["a"], ["b"], genes=GENES)
    assert make_judge(reference, None, "assayed").sources.tolist() == [0]
    assert make_judge(reference, None, "all").sources is None
    with pytest.raises(ConfigError, match="scope is 'some'"):
        make_judge(reference, None, "some")
