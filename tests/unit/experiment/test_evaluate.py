import re

import pandas as pd
import pytest

from niwaki.core import ConfigError, InputError
from niwaki.experiment import evaluate, own_scope


def test_a_run_is_scored_beside_its_prior(finished, inputs):
    found, *cut, prior = evaluate(finished, reference=inputs.reference, scope="all")
    assert [row.method for row in cut] in ([], ["run, strongest"])
    assert (found.method, prior.method) == ("run", "prior alone")
    assert found.missing == prior.missing
    assert prior.missing_found == 0  # a prior cannot find what it lacks
    truth = pd.read_csv(inputs.reference, sep="\t")
    believed = pd.read_csv(inputs.prior, sep="\t")
    shared = truth.merge(believed, on=["source", "target"])
    assert prior.precision == len(shared) / len(believed)
    assert prior.recall == len(shared) / len(truth)


def test_the_table_of_a_run_scores_as_the_run(finished, inputs, tmp_path):
    """Rows of removed edges have weight 0, and are not taken for edges."""
    genes = tmp_path / "genes.txt"
    names = pd.read_csv(inputs.data)["gene"].unique()
    genes.write_text("".join(f"{name}\n" for name in names))
    options = {"reference": inputs.reference, "prior": inputs.prior, "scope": "all"}
    run = evaluate(finished, **options)
    table = evaluate(finished / "network.tsv", genes=genes, **options)
    for one, two in zip(run, table, strict=True):
        assert one.edges == two.edges
        assert one.recall == two.recall
        # the table holds six digits of each weight
        assert one.auprc == pytest.approx(two.auprc, abs=1e-3)


def test_a_run_is_judged_by_the_pairs_that_it_was_fitted_to_be_judged_by(run, inputs):
    config = run / "config.toml"
    by_default = {}
    for scope in ("all", "assayed"):
        config.write_text(re.sub(r'scope = "\w+"', f'scope = "{scope}"', config.read_text()))
        assert own_scope(run) == scope
        by_default[scope] = evaluate(run, reference=inputs.reference)[0]
        assert by_default[scope] == evaluate(run, reference=inputs.reference, scope=scope)[0]
    assert by_default["all"].mean_out_degree < by_default["assayed"].mean_out_degree
    assert own_scope(run / "network.tsv") == "assayed"


def test_a_reference_scores_itself_as_perfect(inputs):
    (row,) = evaluate(inputs.reference, reference=inputs.reference)
    assert (row.f1, row.balanced_accuracy, row.auprc) == (1, 1, 1)


def test_without_a_gene_list_the_genes_of_both_files_count(tmp_path):
    (tmp_path / "a.csv").write_text("source,target\na,b\n")
    (tmp_path / "b.csv").write_text("source,target\na,b\nc,d\n")
    (row,) = evaluate(tmp_path / "a.csv", reference=tmp_path / "b.csv", scope="all")
    assert (row.precision, row.recall, row.mean_out_degree) == (1, 0.5, 0.25)
    (row,) = evaluate(tmp_path / "b.csv", reference=tmp_path / "a.csv")
    assert (row.edges, row.precision) == (1, 1)  # c is not assayed


def test_unusable_arguments_are_refused(inputs, tmp_path):
    with pytest.raises(ConfigError, match="scope is 'most'"):
        evaluate(inputs.reference, reference=inputs.reference, scope="most")
    with pytest.raises(InputError, match=r"nowhere\.csv"):
        evaluate("nowhere.csv", reference=inputs.reference)
    with pytest.raises(InputError, match="not a Niwaki run"):
        evaluate(tmp_path, reference=inputs.reference)
