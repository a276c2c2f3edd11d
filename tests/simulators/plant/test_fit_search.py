"""The search that fits the rate constants, on functions whose minimum is known."""

import numpy as np
import pytest

from simulators.plant.fit_search import minimise, polish

BOX = np.array([[-5.0] * 4, [5.0] * 4])


def valley(x: np.ndarray) -> np.ndarray:
    """Rosenbrock's valley, least at (1, 1, 1, 1)."""
    return (100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2).sum(axis=1)


def kinked(x: np.ndarray) -> np.ndarray:
    """Least, and not smooth, at (0, 1, 2, 3)."""
    return np.abs(x - np.arange(4)).max(axis=1)


@pytest.mark.parametrize(("function", "where"), [(valley, [1.0] * 4), (kinked, [0.0, 1.0, 2.0, 3.0])])
def test_the_minimum_is_found(function, where):
    found, value = minimise(function, np.full(4, -1.0), np.full(4, 0.5), BOX, 400, seed=1)
    assert found == pytest.approx(where, abs=1e-3)
    assert value == pytest.approx(0.0, abs=1e-3)


def test_a_minimum_beyond_the_limits_is_sought_at_the_limit():
    found, _ = minimise(lambda x: x.sum(axis=1), np.zeros(4), np.ones(4), BOX, 200, seed=1)
    assert found == pytest.approx([-5.0] * 4, abs=1e-6)


def test_what_is_found_is_never_worse_than_the_start_and_the_same_for_the_same_seed():
    start = np.array([1.0, 1.0, 1.0, 1.1])
    once, again = (minimise(valley, start, np.ones(4), BOX, 3, seed=4) for _ in range(2))
    assert once[1] <= valley(start[None])[0]
    assert np.array_equal(once[0], again[0])


def test_polishing_takes_the_last_steps_and_then_stays():
    def missed(x: np.ndarray) -> np.ndarray:
        return np.concatenate([x - np.arange(4), 0.1 * (x - np.arange(4)) ** 2], axis=1)

    found, value = polish(missed, np.full(4, 1.0), np.ones(4), BOX, 40)
    assert found == pytest.approx(np.arange(4.0), abs=1e-2)
    assert polish(missed, found, np.ones(4), BOX, 40)[1] <= value < 1e-3
