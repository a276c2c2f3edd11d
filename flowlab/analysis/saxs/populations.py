"""Fits of a few populations of spheres to a curve: narrow ones, or one that is spread.

Amplitudes and background enter linearly and are eliminated; radii and width are searched by Levenberg–Marquardt
(Golub & Pereyra, SIAM J. Numer. Anal. 10 (1973) 413, with Kaufman's derivative). The search starts from the best of
all pairs of the grid, whose χ² has a closed form.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowlab.analysis.saxs.curve import Array, Curve
from flowlab.analysis.saxs.spheres import WIDTHS, Spheres, sphere

#: Two populations closer than this (in ln R) are one.
LEAST_SEPARATION = 0.03
_MOST_STEPS = 30
#: A step that promises, or brought, less in χ² is the last: ΔBIC is asked to 10.
_LEAST_GAIN = 2e-2
#: Two populations that describe a curve this well leave nothing for a third.
_ENOUGH_SIGMA = 2.0
_LONGEST_STEP = 0.3


@dataclass(frozen=True)
class Population:
    """Particles of about one radius.

    Attributes:
        radius_nm: median by volume.
        radius_err_nm: one sigma.
        width: σ of ln R; 0 for a narrow population, whose width is not fitted.
        width_err: one sigma.
        share: of the volume of all populations.
        share_err: one sigma.
    """

    radius_nm: float
    radius_err_nm: float
    width: float
    width_err: float
    share: float
    share_err: float


@dataclass(frozen=True)
class Model:
    """A fitted model.

    Attributes:
        populations: by rising radius; empty for the model without particles.
        chi2: sum of squares over the bins.
        parameters: how many were fitted, background included.
        bic: χ² + parameters·ln(bins) (Schwarz, Ann. Statist. 6 (1978) 461); lower is better.
    """

    populations: tuple[Population, ...]
    chi2: float
    parameters: int
    bic: float


class _State(NamedTuple):
    """A place of the search and the fit there; rows are curves of shape (…, bins)."""

    place: Array
    amplitude: Array
    slopes: Array
    chi2: float
    rows: Array
    rest: Array


#: Columns at a place, their derivatives by each coordinate of the place, and to which column each belongs.
_Columns = Callable[[Array], tuple[Array, Array, NDArray[np.intp]]]


def _merged(state: _State) -> bool:
    """Whether two narrow populations have become one: with as many places as columns, all are radii."""
    radii = state.place if len(state.place) == len(state.amplitude) else state.place[:1]
    return bool(np.any(np.diff(np.sort(radii)) < LEAST_SEPARATION))


class Fit:
    """A curve divided by its errors, with the background projected out.

    Args:
        curve: unusable bins have no weight.
        spheres: on the same q.
        porod: whether the background has a part in q⁻⁴ besides a constant one.
    """

    def __init__(self, curve: Curve, spheres: Spheres, porod: bool):
        usable = curve.usable
        self.spheres = spheres
        self.bins = int(usable.sum())
        self.inverse_err: Array = np.where(usable, 1 / np.where(usable, curve.err, 1.0), 0.0)
        intensity: Array = np.where(usable, curve.intensity, 0.0) * self.inverse_err
        q = curve.q_per_nm
        columns = [np.ones_like(q), (q / q[0]) ** -4] if porod else [np.ones_like(q)]
        self.background: Array = np.stack([column * self.inverse_err for column in columns])
        self._frame: Array = np.linalg.qr(self.background.T)[0]
        self.weighted = intensity
        self.y = self._rid(intensity)
        self.curves = self._rid(spheres.curves * self.inverse_err)

    def _rid(self, rows: Array) -> Array:
        """Rows less what the background could explain of them."""
        return rows - (rows @ self._frame) @ self._frame.T

    def nothing(self) -> Model:
        """The background alone."""
        return self._model((), float(self.y @ self.y), len(self.background))

    def narrow(self, most: int) -> list[Model]:
        """Best fits of one to ``most`` narrow populations, as far as each further one has a share above zero.

        A third is tried only where two do not describe the curve within its errors: it could not be told then.
        """
        found: list[Model] = []
        grid = np.log(self.spheres.radii_nm)
        gram, along = self.curves @ self.curves.T, self.curves @ self.y
        starts: list[Callable[[Array], Array | None]] = [
            lambda _: grid[[int(np.where(along > 0, along**2 / np.diag(gram), 0.0).argmax())]],
            lambda _: self._best_pair(gram, along),
            *[self._with_another] * (most - 2),
        ]
        place: Array = np.empty(0)
        for start in starts[:most]:
            begin = start(place)
            solved = None if begin is None else self._search(begin, self._narrow_columns, self._radius_bounds())
            if solved is None or _merged(solved):
                break
            place = solved.place
            found.append(self._described(solved, len(place)))
            if len(place) > 1 and self.describes(found[-1], _ENOUGH_SIGMA):
                break
        return found

    def pair_like(self, spread: Population) -> Model | None:
        """Best fit of two narrow populations, searched from the pair with this mean and width; None without one."""
        start = float(np.log(spread.radius_nm)) + spread.width * np.array([-1.0, 1.0])
        solved = self._search(start, self._narrow_columns, self._radius_bounds())
        return None if solved is None or _merged(solved) else self._described(solved, 2)

    def beside(self, known_nm: float) -> Model | None:
        """Best fit of a narrow population beside one whose radius is known; None if one of them has no share."""
        fixed = float(np.log(known_nm))
        start = self._with_another(np.array([fixed]))
        if start is None:
            return None

        def columns(place: Array) -> tuple[Array, Array, NDArray[np.intp]]:
            rows, slopes, _ = self._narrow_columns(np.array([fixed, place[0]]))
            return rows, slopes[1:], np.array([1])

        solved = self._search(start[1:], columns, self._radius_bounds())
        if solved is None or abs(solved.place[0] - fixed) < LEAST_SEPARATION:
            return None
        return self._described(solved, 2, np.array([fixed, solved.place[0]]))

    def describes(self, model: Model, sigma: float) -> bool:
        """Whether χ² is within so many σ of what the errors alone would make it."""
        freedom = max(self.bins - model.parameters, 1)
        return model.chi2 <= freedom + sigma * float(np.sqrt(2 * freedom))

    def _radius_bounds(self) -> tuple[Array, Array]:
        low, high = np.log(self.spheres.radii_nm[[0, -1]])
        return np.array([low]), np.array([high])

    def _best_pair(self, gram: Array, along: Array) -> Array | None:
        """Ln R of the two of the grid whose two curves together leave the least χ², both with positive amplitudes."""
        norm = np.diag(gram)
        determinant = np.multiply.outer(norm, norm) - gram * gram
        # a_i·det = v_i·g_jj − v_j·g_ij; χ² falls by a·v
        amplitude = np.multiply.outer(along, norm) - gram * along
        gain = amplitude * along[:, None]
        gain += gain.T
        allowed = (amplitude > 0) & (amplitude.T > 0) & (determinant > 1e-9 * np.multiply.outer(norm, norm))
        apart = int(np.ceil(LEAST_SEPARATION / np.log(self.spheres.radii_nm[1] / self.spheres.radii_nm[0])))
        allowed &= np.triu(np.ones_like(allowed), apart)
        if not allowed.any():
            return None
        best = int(np.where(allowed, gain / np.where(allowed, determinant, 1.0), -np.inf).argmax())
        return np.log(self.spheres.radii_nm[[best // len(along), best % len(along)]])

    def _with_another(self, log_radii: Array) -> Array | None:
        """These and the ln R of the grid that lowers χ² most; None if nothing would with a positive amplitude."""
        columns = self._narrow_columns(log_radii)[0]
        frame = np.linalg.qr(columns.T)[0]
        rest = self.y - frame @ (frame.T @ self.y)
        curves = self.curves - (self.curves @ frame) @ frame.T
        norm = np.einsum("ij,ij->i", curves, curves)
        along = curves @ rest
        grid = np.log(self.spheres.radii_nm)
        far = np.abs(grid[:, None] - log_radii).min(axis=1) > LEAST_SEPARATION
        allowed = far & (along > 0) & (norm > 1e-9 * np.einsum("ij,ij->i", self.curves, self.curves))
        if not allowed.any():
            return None
        best = int(np.where(allowed, along**2 / np.where(allowed, norm, 1.0), -np.inf).argmax())
        return np.append(log_radii, grid[best])

    def spread(self, like: Population | None = None) -> Model | None:
        """Best fit of one log-normal population; None if none has a share above zero.

        Args:
            like: the best narrow one, from which the search may start, too: a narrow minimum is easily missed.
        """
        places, curves = self.spheres.spread_starts
        if like is not None:
            place = (float(np.log(like.radius_nm)), 2 * WIDTHS[0])
            places, curves = np.vstack([places, place]), np.vstack([curves, self.spheres.spread(*place)[0]])
        weighted = curves * self.inverse_err
        # χ² falls by (c·y)²/(c·c − |Qᵀc|²), c without its background part
        along = weighted @ self.y
        norm = np.einsum("ij,ij->i", weighted, weighted) - np.sum((weighted @ self._frame) ** 2, axis=1)
        gain = np.where(along > 0, along**2 / np.maximum(norm, 1e-300), -np.inf)
        best = int(gain.argmax())
        if not gain[best] > 0:
            return None
        start = np.array([places[best, 0], np.log(places[best, 1])])
        low, high = self._radius_bounds()
        bounds = np.append(low, np.log(WIDTHS[0])), np.append(high, np.log(WIDTHS[1]))
        solved = self._search(start, self._spread_columns, bounds)
        return None if solved is None else self._described(solved, 1)

    def chi2_at(self, width: float, like: Population) -> float | None:
        """χ² of the best log-normal population of a given width, searched from the radius of another."""

        def columns(place: Array) -> tuple[Array, Array, NDArray[np.intp]]:
            rows, slopes, of = self._spread_columns(np.array([place[0], np.log(width)]))
            return rows, slopes[:1], of[:1]

        solved = self._search(np.array([np.log(like.radius_nm)]), columns, self._radius_bounds())
        return None if solved is None else solved.chi2

    def _narrow_columns(self, place: Array) -> tuple[Array, Array, NDArray[np.intp]]:
        curves, slopes = sphere(self.spheres.q_per_nm, np.exp(place))
        return self._rid(curves * self.inverse_err), self._rid(slopes * self.inverse_err), np.arange(len(place))

    def _spread_columns(self, place: Array) -> tuple[Array, Array, NDArray[np.intp]]:
        curve, by_radius, by_width = self.spheres.spread(float(place[0]), float(np.exp(place[1])))
        rows = self._rid(np.stack([curve, by_radius, by_width]) * self.inverse_err)
        return rows[:1], rows[1:], np.zeros(2, dtype=np.intp)

    def _search(self, place: Array, columns: _Columns, bounds: tuple[Array, Array]) -> _State | None:
        """Levenberg–Marquardt; None where an amplitude is not positive."""
        damping = 1e-3
        state = self._at(place, columns)
        if state is None:
            return None
        for _ in range(_MOST_STEPS):
            frame = np.linalg.qr(state.rows.T)[0]
            jacobian = state.slopes - (state.slopes @ frame) @ frame.T
            hessian, gradient = jacobian @ jacobian.T, jacobian @ state.rest
            # What stands at a bound and would leave is held there, so that the others can find their best.
            held = ((state.place <= bounds[0]) & (gradient < 0)) | ((state.place >= bounds[1]) & (gradient > 0))
            if held.all():
                break
            hessian[held], hessian[:, held], gradient[held] = 0.0, 0.0, 0.0
            diagonal = np.diag(hessian) * damping + 1e-12 * np.trace(hessian) + held + 1e-300
            step = np.linalg.solve(hessian + np.diag(diagonal), gradient)
            # Shortened as a whole: its direction follows a curved valley.
            step *= min(1.0, _LONGEST_STEP / max(float(np.abs(step).max()), 1e-300))
            tried = np.clip(state.place + step, *bounds)
            if float((tried - state.place) @ gradient) < _LEAST_GAIN:
                break
            new = self._at(tried, columns)
            if new is None or new.chi2 >= state.chi2:
                damping *= 10
                continue
            gain, state, damping = state.chi2 - new.chi2, new, damping * 0.1
            if gain < _LEAST_GAIN or _merged(state):
                break
        return state

    def _at(self, place: Array, columns: _Columns) -> _State | None:
        """The fit at a place; None where an amplitude is not positive."""
        rows, slopes, of = columns(place)
        gram = rows @ rows.T
        norm = np.sqrt(np.diag(gram))
        if not np.all(norm > 0):
            return None
        scaled = gram / np.multiply.outer(norm, norm) + 1e-13 * np.eye(len(norm))
        amplitude = np.linalg.solve(scaled, (rows @ self.y) / norm) / norm
        if not np.all(amplitude > 0):
            return None
        rest = self.y - amplitude @ rows
        return _State(place, amplitude, slopes * amplitude[of][:, None], float(rest @ rest), rows, rest)

    def _described(self, state: _State, count: int, log_radii: Array | None = None) -> Model:
        """The populations with errors from the full Jacobian, widened where the fit is not good.

        Args:
            state: where the search ended.
            count: of populations.
            log_radii: of all of them, where not all were searched.
        """
        place, amplitude = state.place, state.amplitude
        jacobian = np.concatenate([state.slopes, state.rows * amplitude[:, None]])
        parameters = len(place) + len(amplitude) + len(self.background)
        scatter = max(state.chi2 / max(self.bins - parameters, 1), 1.0)
        covariance = np.linalg.pinv(jacobian @ jacobian.T, rcond=1e-12, hermitian=True) * scatter
        errors = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        share = amplitude / amplitude.sum()
        # share_i = a_i/Σa: d share_i = share_i·(d ln a_i − Σ share_j·d ln a_j)
        turn = share[:, None] * (np.eye(count) - share)
        share_err = np.sqrt(np.maximum(np.diag(turn @ covariance[-count:, -count:] @ turn.T), 0.0))
        searched = place[:count]
        radius = np.exp(searched if log_radii is None else log_radii)
        # A radius that was given has no error of its own.
        radius_err = np.append(np.zeros(count - len(searched)), errors[: len(searched)])
        spread = len(place) > count
        width, width_err = (float(np.exp(place[1])), float(errors[1])) if spread else (0.0, 0.0)
        populations = [
            Population(
                float(radius[i]),
                float(radius[i] * radius_err[i]),
                width,
                width * width_err,
                float(share[i]),
                float(share_err[i]),
            )
            for i in np.argsort(radius)
        ]
        return self._model(tuple(populations), state.chi2, parameters)

    def _model(self, populations: tuple[Population, ...], chi2: float, parameters: int) -> Model:
        return Model(populations, chi2, parameters, chi2 + parameters * float(np.log(max(self.bins, 1))))
