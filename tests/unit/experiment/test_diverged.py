import numpy as np
import pytest

from niwaki.core import DivergedError, Trajectories, Trajectory
from niwaki.experiment._diverged import naming
from niwaki.experiment._threads import thread_notes


def make_data():
    times = np.array([0.0, 2.5, 4.0])
    items = tuple(Trajectory(name, times, np.ones((3, 2))) for name in ("donor A", "donor B"))
    return Trajectories(("GATA1", "TAL1"), items)


def test_error_names_gene_time_and_trajectory():
    data = make_data()
    with pytest.raises(DivergedError, match=r"gene TAL1, after time 2\.5 of trajectory 'donor B'"):
        with naming(data, data.pairs()):
            raise DivergedError("not finite", place=(3, 1))


def test_error_without_a_place_stays_as_it_is():
    data = make_data()
    with pytest.raises(DivergedError, match=r"^not finite$"), naming(data, data.pairs()):
        raise DivergedError("not finite")


def test_more_threads_than_processors_get_a_note():
    assert thread_notes(None) == thread_notes(1) == []
    assert "100000 threads were asked for" in thread_notes(100_000)[0]
