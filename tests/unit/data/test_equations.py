import csv
import io

import numpy as np
import pytest
from reference.data import hill, velocity

from niwaki.core import InputError
from niwaki.data import And, Hill, Or, RegulatorySystem, read_equations, write_equations

A = "1 * fAct(A, 0.4, 1.5)"
B = "(1 - 1 * fAct(B, 0.5, 1.2))"


def read(tmp_path, **equations):
    out = io.StringIO()
    csv.writer(out).writerows([("node", "eqn"), *equations.items()])
    (tmp_path / "e.csv").write_text(out.getvalue())
    return read_equations(tmp_path / "e.csv")


def wrap(rule, gene="C"):
    return f"(({rule}) * 1 - 1 * {gene}) / 1"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (A, Hill("A", 0.4, 1.5)),
        (B, Hill("B", 0.5, 1.2, activates=False)),
        (f"{A} * {B}", And((Hill("A", 0.4, 1.5), Hill("B", 0.5, 1.2, activates=False)))),
        (
            f"(({A}) + {B} - ({A}) * {B})",
            Or((Hill("A", 0.4, 1.5), Hill("B", 0.5, 1.2, activates=False))),
        ),
    ],
)
def test_rules_are_parsed_and_agree_with_the_equation_as_written(tmp_path, rule, expected):
    system = read(tmp_path, A="input gene", B="input gene", C=wrap(rule))
    assert system.rules == (None, None, expected)
    state = {"A": 0.3, "B": 0.8, "C": 0.25}
    slow = velocity((tmp_path / "e.csv").read_text(), state)["C"]
    fast = system.regulation(np.array([[0.3], [0.8], [0.25]]))[0, 0] - 0.25
    assert fast == pytest.approx(slow, abs=1e-14)  # a few roundings


def test_the_truth_is_signed_and_points_from_regulator_to_target(tmp_path):
    truth = read(tmp_path, A="input gene", B="input gene", C=wrap(f"{A} * {B}")).truth
    assert truth.signed
    np.testing.assert_array_equal(truth.to_sparse().toarray()[2], [1, -1, 0])


def test_the_singular_point_of_the_published_form_is_harmless():
    ec50, n = 0.5, 1.0  # here 2 EC50^n - 1 is zero
    system = RegulatorySystem(("A", "B"), (None, Hill("A", ec50, n)))
    found = system.regulation(np.array([[0.3], [0.0]]))[0, 0]
    assert found == pytest.approx(0.3)
    assert found == pytest.approx(hill(0.3, ec50 + 1e-7, n), abs=1e-6)  # the limit, first order


def test_odd_gene_names_survive_writing_and_reading(tmp_path):
    genes = ("HLA-DRA", "a b", "größe", "<script>", "A, 0.1, 2", 'say "x"', "1-2")
    rules = (None, *(Hill(gene, 0.45, 1.3) for gene in genes[:-1]))
    system = RegulatorySystem(genes, rules)
    write_equations(system, tmp_path / "e.csv")
    assert read_equations(tmp_path / "e.csv") == system


def test_long_or_rules_stay_short_on_paper(tmp_path):
    genes = tuple(f"G{i}" for i in range(21))
    rule = Or(tuple(Hill(gene, 0.5, 1.1) for gene in genes[:20]))
    system = RegulatorySystem(genes, (*[None] * 20, rule))
    write_equations(system, tmp_path / "e.csv")
    assert (tmp_path / "e.csv").stat().st_size < 50_000  # doubling per part would take 20 MB
    assert read_equations(tmp_path / "e.csv") == system


@pytest.mark.parametrize(
    ("equation", "message"),
    [
        ("fAct(A, 0.5, 1.1)", "not of the form"),
        (f"(({A}) * 2 - 1 * C) / 1", "not of the form"),
        (wrap(A, "D"), "not of the form"),
        (wrap("__import__('os').getcwd()"), "is not understood"),
        (wrap(f"{A} + {B}"), "is not understood"),
        (wrap(f"{A} + {B} - {A}"), r"a \+ b - a \* b"),
        (wrap(f"{A} - {A}"), r"1 - fAct"),
        (wrap(f"1 - {B}"), "repression inside|stands inside a repression"),
        (wrap("1"), "without any regulator"),
        (wrap("f7"), "cannot be read"),
        (wrap(f"({A}"), "cannot be read"),
        (wrap("(" * 500 + A + ")" * 500), "cannot be read"),
        (wrap("fAct(X, 0.5, 1.1)"), "regulated by 'X', which is not a gene"),
        (wrap("fAct(A, 1.5, 1.1)"), "EC50 1.5"),
        (wrap(f"{A} * (1 - 1 * fAct(A, 0.4, 1.5))"), "both activated and repressed by 'A'"),
    ],
)
def test_other_equations_are_refused_with_the_gene_and_file(tmp_path, equation, message):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, A="input gene", B="input gene", C=equation)
    assert "e.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_tables_are_refused(tmp_path):
    (tmp_path / "e.csv").write_text("gene,rule\nA,input gene\n")
    with pytest.raises(InputError, match="header 'node,eqn'"):
        read_equations(tmp_path / "e.csv")


def test_rules_that_cannot_be_written_are_refused(tmp_path):
    system = RegulatorySystem(("A, 0.1, 2)", "B"), (None, Hill("A, 0.1, 2)", 0.4, 1.5)))
    with pytest.raises(InputError, match="cannot be written as an equation"):
        write_equations(system, tmp_path / "e.csv")
    assert not (tmp_path / "e.csv").exists()
