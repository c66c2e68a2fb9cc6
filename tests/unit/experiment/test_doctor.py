import numpy as np
import pytest
from unit.experiment.study import chain_network, small, wave

from niwaki.core import ConfigError, InputError, Trajectories, Trajectory
from niwaki.experiment import diagnose, make_material


def scaled(factor, *, shift=0.0):
    data = wave()
    items = tuple(Trajectory(t.name, t.times, shift + t.values * factor) for t in data.items)
    return make_material(Trajectories(data.genes, items), prior=chain_network())


def test_costs_and_sizes_are_estimated(material):
    found = diagnose(material, small())
    assert found.hidden == 5
    assert found.arms == 3
    # two branches of two layers, two biases of hidden units, one multiplier per gene
    assert found.parameters == 4 * 12 * 5 + 2 * 5 + 12
    assert found.seconds > 0
    assert found.megabytes > 100
    assert diagnose(material, small(controls=False)).arms == 1
    assert diagnose(material, small(criterion="magnitude")).arms == 1
    assert diagnose(material, small(batch="trajectory")).seconds > 0


def test_a_longer_fit_is_estimated_to_take_longer(material):
    short, long = diagnose(material, small(epochs=1)), diagnose(material, small(epochs=1000))
    assert long.seconds > 50 * short.seconds


@pytest.mark.parametrize(
    ("factor", "shift", "note"),
    [
        (1.0, 0.0, None),
        (1000.0, 0.0, "as raw counts do"),
        (5.0, 0.0, "a scaled copy may fit better"),
        (1.0, -2.0, "a scaled copy may fit better"),
    ],
)
def test_values_on_another_scale_are_noted(factor, shift, note):
    notes = diagnose(scaled(factor, shift=shift), small()).notes
    assert (not notes) if note is None else any(note in text for text in notes)


def test_a_dominating_gene_is_named():
    data = wave(tuple("abcdefghij"))
    values = [t.values * np.where(np.arange(10) == 3, 1.0, 1e-3) for t in data.items]
    items = tuple(Trajectory(t.name, t.times, v) for t, v in zip(data.items, values, strict=True))
    made = make_material(Trajectories(data.genes, items), prior=chain_network(data.genes))
    assert any(note.startswith("Gene d varies over 100") for note in diagnose(made, small()).notes)


def test_constant_genes_are_named():
    data = wave()
    still = np.array([1, 1, 0, 1])
    items = tuple(Trajectory(t.name, t.times, t.values * still) for t in data.items)
    made = make_material(Trajectories(data.genes, items), prior=chain_network())
    assert "1 of 4 genes never change (c)" in " ".join(diagnose(made, small()).notes)
    items = tuple(Trajectory(t.name, t.times, t.values * 0) for t in data.items)
    with pytest.raises(InputError, match="every gene is constant"):
        diagnose(make_material(Trajectories(data.genes, items)), small(criterion="magnitude"))


def test_choices_without_effect_are_noted_and_impossible_ones_refused():
    made = make_material(wave(), prior=chain_network())
    notes = " ".join(diagnose(made, small(criterion="random")).notes)
    assert "only compared with" in notes
    assert "no control" in notes
    unweighed = small(criterion="dash", lambda1=0.0, lambda2=0.0)
    assert "'dash' with lambda 0 ignores it" in " ".join(diagnose(made, unweighed).notes)
    assert diagnose(made, unweighed).arms == 1
    with pytest.raises(ConfigError, match="needs a prior"):
        diagnose(make_material(wave()), small())
