import numpy as np
import pytest

from niwaki.core import InputError, Trajectories, Trajectory


def sample(times, values, name="s"):
    return Trajectory(name, np.asarray(times, float), np.asarray(values, float))


def unequal():
    """Three samples of three, one and two times; values tell where they come from."""
    return Trajectories(
        ("a", "b"),
        (
            sample([0, 1, 3], [[0, 1], [10, 11], [30, 31]], "long"),
            sample([5], [[50, 51]], "single"),
            sample([2, 2.5], [[20, 21], [25, 26]], "short"),
        ),
    )


def test_pairs_stay_within_samples_of_unequal_length():
    pairs = unequal().pairs()
    np.testing.assert_array_equal(pairs.start, [[0, 10, 20], [1, 11, 21]])
    np.testing.assert_array_equal(pairs.end, [[10, 30, 25], [11, 31, 26]])
    np.testing.assert_array_equal(pairs.gaps, [1, 2, 0.5])
    np.testing.assert_array_equal(pairs.trajectory, [0, 0, 2])
    np.testing.assert_array_equal(pairs.step, [0, 1, 0])
    assert len(pairs) == 3


def test_a_subset_of_pairs_keeps_order_and_origin():
    pairs = unequal().pairs().subset(np.array([2, 0]))
    np.testing.assert_array_equal(pairs.start, [[20, 0], [21, 1]])
    np.testing.assert_array_equal(pairs.end, [[25, 10], [26, 11]])
    np.testing.assert_array_equal(pairs.gaps, [0.5, 1])
    np.testing.assert_array_equal(pairs.trajectory, [2, 0])
    np.testing.assert_array_equal(pairs.step, [0, 0])


def test_pairs_do_not_share_memory_with_the_data():
    data = unequal()
    data.pairs().start[:] = 99
    assert data.items[0].values[0, 0] == 0


def test_a_subset_of_samples_keeps_the_order_asked_for():
    data = unequal().subset([2, 0])
    assert [item.name for item in data.items] == ["short", "long"]
    assert data.genes == ("a", "b")
    assert len(data) == 2


def test_selected_genes_come_in_the_order_asked_for():
    data = unequal().select_genes(["b"])
    assert data.genes == ("b",)
    np.testing.assert_array_equal(data.items[2].values, [[21], [26]])
    both = unequal().select_genes(["b", "a"])
    np.testing.assert_array_equal(both.items[1].values, [[51, 50]])
    np.testing.assert_array_equal(both.items[1].times, [5])


def test_stack_holds_every_observation_once():
    np.testing.assert_array_equal(unequal().stack()[:, 0], [0, 10, 30, 50, 20, 25])


@pytest.mark.parametrize(
    ("times", "values", "sentence"),
    [
        (
            [0, np.nan],
            [[1, 2], [3, 4]],
            "trajectory 's' has a missing or infinite time; remove that row or give its time.",
        ),
        (
            [0, 1.5],
            [[1, 2], [3, np.inf]],
            "trajectory 's' has a missing or infinite value (gene number 2, time 1.5); fill or "
            "remove it before fitting.",
        ),
        (
            [0, 2, 1],
            [[1], [2], [3]],
            "trajectory 's' has time 1 after 2; times must increase strictly, so sort the rows, or "
            "average replicates at one time, or name the column that tells samples apart.",
        ),
        (
            [0, 0],
            [[1], [2]],
            "trajectory 's' has time 0 after 0; times must increase strictly, so sort the rows, or "
            "average replicates at one time, or name the column that tells samples apart.",
        ),
    ],
)
def test_unusable_samples_are_refused_in_one_sentence(times, values, sentence):
    with pytest.raises(InputError) as caught:
        sample(times, values)
    assert str(caught.value) == sentence


def test_a_sample_with_another_number_of_times_than_rows_is_refused():
    # with shape checks on, the checker of the tests speaks first
    with pytest.raises(Exception, match="time"):
        sample([0, 1, 2], [[1], [2]])


@pytest.mark.parametrize(
    ("genes", "items", "sentence"),
    [
        (
            ("a", "b", "a"),
            (sample([0], [[1, 2, 3]]),),
            "gene 'a' stands twice in the expression data; gene names must be unique, so merge or "
            "rename the copies.",
        ),
        (("a",), (), "the expression data holds no values; expected genes and times."),
        (
            (),
            (sample([0], [[]]),),
            "the expression data holds no values; expected genes and times.",
        ),
        (
            ("a", "b", "c"),
            (sample([0], [[1, 2]]),),
            "trajectory 's' has 2 genes, but 3 gene names were given; both must agree.",
        ),
    ],
)
def test_unusable_data_are_refused_in_one_sentence(genes, items, sentence):
    with pytest.raises(InputError) as caught:
        Trajectories(genes, items)
    assert str(caught.value) == sentence


def test_data_without_any_pair_say_what_to_check():
    with pytest.raises(InputError) as caught:
        unequal().subset([1]).pairs()
    assert str(caught.value) == (
        "every trajectory has one time point only; a dynamic model needs at least two times of the "
        "same sample, so check which columns hold time and sample."
    )


def test_genes_that_are_not_there_are_counted_and_the_first_is_named():
    with pytest.raises(InputError) as caught:
        unequal().select_genes(["a", "x", "y"])
    assert str(caught.value) == (
        "2 of 3 genes (first: 'x') are not in the expression data; both files must use the same "
        "gene names."
    )
