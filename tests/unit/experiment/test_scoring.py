from dataclasses import replace

import numpy as np
import pytest

from niwaki.core import Network
from niwaki.evaluation import strongest
from niwaki.experiment import load_model, make_config
from niwaki.experiment._arm_state import Round
from niwaki.experiment._network import read_out
from niwaki.experiment._scoring import make_judge, model_scores, select_round, shuffled_ppi
from niwaki.knowledge import symmetric_ppi


def test_a_round_without_a_number_is_never_kept():
    losses = ([np.nan, 1.0], [2.0, 3.0], [1.0, 1.0])
    rounds = [Round(i, i, 0.1 * i, 9, 1.0, np.array(loss)) for i, loss in enumerate(losses)]
    for rule in ("best", "one-se"):
        config = make_config({"select": rule})
        assert select_round(rounds, config, np.array([0, 1])) == 2


def test_shuffled_interactions_listed_in_both_directions_do_not_double():
    source, target = np.triu_indices(60, 1)
    drawn = np.random.default_rng(0).random(len(source)) < 0.05
    source, target = source[drawn], target[drawn]
    genes = tuple(f"g{i}" for i in range(60))
    both = Network(genes, np.r_[source, target], np.r_[target, source], np.ones(2 * len(source)))
    before, after = (symmetric_ppi(ppi)[0].nnz for ppi in (both, shuffled_ppi(both, 0)))
    assert 0.9 * before <= after <= before  # a pair drawn in both directions merges


@pytest.mark.parametrize("scope", ["assayed", "all"])
def test_a_model_scores_as_its_whole_network_though_only_a_part_is_read_out(
    finished, material, scope
):
    model = load_model(finished)
    whole = read_out(model.field, model.masks, model.genes, limit=None)
    judge = make_judge(material.reference.network, material.prior.network, scope)
    few = np.unique(judge.reference.source)[:2]
    judge = replace(judge, sources=few if scope == "assayed" else None)
    rows, edges = model_scores(judge, model, "fit", sparsity=0.5)
    cut = strongest(whole.network, len(judge.prior))
    assert edges == whole.edges
    assert rows == [
        judge.score(whole.network, "fit", sparsity=0.5),
        judge.score(cut, "fit, strongest"),
    ]
