import csv
import io

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference.data import group_and_average, phoenix_text, velocity

from niwaki.core import Trajectories, Trajectory
from niwaki.data import (
    RegulatorySystem,
    generate_network,
    read_equations,
    read_expression,
    split,
    write_equations,
    write_long,
)
from niwaki.data._columns import TIME_NAMES, TRAJECTORY_NAMES

QUICK = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NAME = st.text(
    st.characters(exclude_categories=["C", "Z"], include_characters=" \t"), min_size=1
).filter(lambda text: text == text.strip() and text)
NUMBER = st.floats(-1e6, 1e6).map(lambda x: round(x, 6))
TIME = st.integers(0, 8).map(lambda i: i / 4)


@st.composite
def observations(draw):
    """Labels, times and rows of values over a few genes, in any order, with ties."""
    genes = draw(st.lists(NAME, min_size=1, max_size=4, unique=True))
    row = st.tuples(
        st.sampled_from(["d1", "d 2", "d,3"]),
        TIME,
        st.lists(NUMBER, min_size=len(genes), max_size=len(genes)),
    )
    return genes, draw(st.lists(row, min_size=1, max_size=12))


def as_text(rows, delimiter):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return out.getvalue()


def check(reading, rows):
    expected = group_and_average(*[list(column) for column in zip(*rows, strict=True)])
    found = {
        item.name: dict(zip(item.times.tolist(), item.values.tolist(), strict=True))
        for item in reading.trajectories.items
    }
    assert list(found) == list(expected)
    for name, states in expected.items():
        assert list(found[name]) == list(states)
        for time, values in states.items():
            # a mean of ties may be summed in another order
            np.testing.assert_allclose(found[name][time], values, rtol=1e-12, atol=1e-6)


@QUICK
@given(table=observations(), delimiter=st.sampled_from(",\t;"))
def test_rows_in_any_order_group_sort_and_average(tmp_path, table, delimiter):
    genes, rows = table
    lines = [["trajectory", "time", *genes], *([label, t, *v] for label, t, v in rows)]
    (tmp_path / "x.csv").write_text(as_text(lines, delimiter))
    options = {"layout": "samples", "time_key": "time", "trajectory_key": "trajectory"}
    taken = {*TIME_NAMES, *TRAJECTORY_NAMES}  # a column of such a name is no gene
    if taken.isdisjoint(name.lower() for name in genes):
        check(read_expression(tmp_path / "x.csv", **options), rows)


@QUICK
@given(table=observations(), data=st.data())
def test_long_and_wide_tables_say_the_same(tmp_path, table, data):
    genes, rows = table
    lines = [
        [label, t, gene, value]
        for label, t, values in rows
        for gene, value in zip(genes, values, strict=True)
    ]
    lines = [lines[0], *data.draw(st.permutations(lines[1:]))] if len(lines) < 9 else lines
    text = as_text([["trajectory", "time", "gene", "value"], *lines], ",")
    (tmp_path / "x.csv").write_text(text)
    reading = read_expression(tmp_path / "x.csv", trajectory_key="trajectory")
    order = list(dict.fromkeys(line[2] for line in lines))
    assert reading.trajectories.genes == tuple(order)
    places = [genes.index(gene) for gene in order]
    labels = list(dict.fromkeys(line[0] for line in lines))
    rows = sorted(rows, key=lambda row: labels.index(row[0]))
    check(reading, [(label, t, [v[i] for i in places]) for label, t, v in rows])


@QUICK
@given(data=st.data(), genes=st.integers(1, 4), samples=st.integers(1, 3))
def test_the_phoenix_format_is_read_as_written(tmp_path, data, genes, samples):
    written = []
    for _ in range(samples):
        times = sorted(data.draw(st.lists(TIME, min_size=1, max_size=5, unique=True)))
        rows = st.lists(NUMBER, min_size=len(times), max_size=len(times))
        written.append((times, data.draw(st.lists(rows, min_size=genes, max_size=genes))))
    (tmp_path / "x.csv").write_text(phoenix_text(written))
    reading = read_expression(tmp_path / "x.csv", number_genes=True)
    for item, (times, values) in zip(reading.trajectories.items, written, strict=True):
        np.testing.assert_array_equal(item.times, times)
        np.testing.assert_array_equal(item.values.T, values)


@QUICK
@given(genes=st.lists(NAME, min_size=1, max_size=4, unique=True), name=NAME, data=st.data())
def test_any_names_survive_a_long_table(tmp_path, genes, name, data):
    times = sorted(data.draw(st.lists(TIME, min_size=1, max_size=4, unique=True)))
    values = np.random.default_rng(0).normal(size=(len(times), len(genes)))
    written = Trajectories(tuple(genes), (Trajectory(name, np.array(times), values),))
    write_long(written, tmp_path / "x.csv")
    found = read_expression(tmp_path / "x.csv", trajectory_key="trajectory").trajectories
    assert (found.genes, found.items[0].name) == (tuple(genes), name)
    np.testing.assert_array_equal(found.items[0].values, values)


@QUICK
@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=6),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 99),
)
def test_a_split_shares_no_pair_and_loses_none(lengths, share, seed):
    usable = [n for n in lengths if n > 1]
    if not usable or usable == [2]:
        return
    data = Trajectories(
        ("A",),
        tuple(
            Trajectory(f"s{i}", np.arange(float(n)), i + np.arange(float(n))[:, None] / 10)
            for i, n in enumerate(lengths)
        ),
    )
    parts = split(data, share=share, rng=seed)
    train, held_out, whole = (
        {(float(a), float(b)) for a, b in zip(p.start[0], p.end[0], strict=True)}
        for p in (parts.train.pairs(), parts.held_out.pairs(), data.pairs())
    )
    assert train
    assert held_out
    assert not train & held_out
    assert train | held_out == whole


@QUICK
@given(genes=st.integers(2, 25), seed=st.integers(0, 999), in_degree=st.floats(1, 2))
def test_generated_systems_survive_writing_and_match_the_written_equations(
    tmp_path, genes, seed, in_degree
):
    system = generate_network(genes, seed, in_degree=in_degree)
    write_equations(system, tmp_path / "e.csv")
    assert read_equations(tmp_path / "e.csv") == system
    state = np.random.default_rng(seed).random(genes)
    slow = velocity(
        (tmp_path / "e.csv").read_text(), dict(zip(system.genes, state.tolist(), strict=True))
    )
    fast = system.regulation(state[:, None])[:, 0] - state[system.regulated]
    names = [g for g, rule in zip(system.genes, system.rules, strict=True) if rule is not None]
    # the published form divides by 2 EC50^n - 1, which may be as small as 1e-4
    np.testing.assert_allclose(fast, [slow[name] for name in names], atol=1e-9)


@QUICK
@given(seed=st.integers(0, 999))
def test_states_between_zero_and_one_stay_there(seed):
    system: RegulatorySystem = generate_network(15, seed)
    corner = np.random.default_rng(seed).integers(0, 2, size=(15, 6)).astype(float)
    regulation = system.regulation(corner)
    assert regulation.min() >= 0
    assert regulation.max() <= 1
