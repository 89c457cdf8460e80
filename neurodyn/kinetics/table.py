"""A gate from a measured table."""

import warnings
from typing import Self

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._numerics import polynomial
from .._parameter import parameter
from .._types import FloatArray, Parameter
from .gates import Q10, AbstractGate, bounded


class TableGate(AbstractGate):
    """`dx/dt = (steady(v) - x) / tau(v)` with both given at some voltages, as a voltage clamp measures them, and the values themselves the parameters.

    Between two voltages both follow a monotone cubic, flat at both ends of the table and constant beyond them. So the curves go through the values, do not
    overshoot them (`steady` stays a fraction, `tau` positive), and have a continuous derivative, which lines would not: an adaptive solver would have to
    stop at each of their corners.

    **Fields:**

    - `voltages`: mV, rising, shape (m,) with m >= 2: a dozen or two, for every interval is looked at in every step and compiled for itself.
    - `steady`: the steady state there, shape (m,).
    - `tau`: the time constant there, ms, shape (m,).
    - `q10`: the temperature factor of the speed, or None.

    Source of the slopes at the knots: Fritsch and Butland (1984), SIAM J. Sci. Stat. Comput. 5:300.
    """

    voltages: Parameter = parameter(unit="mV", trainable=False)
    steady: Parameter = parameter(lower=0.0, upper=1.0)
    tau: Parameter = parameter(unit="ms", lower=0.0, exclusive=True)
    q10: Q10 | None = None

    def __check_init__(self):
        shapes = {name: np.shape(getattr(self, name))[-1:] for name in ("voltages", "steady", "tau")}
        if len(set(shapes.values())) > 1 or shapes["voltages"] in ((), (0,), (1,)):
            raise ValueError(
                f"TableGate with {shapes} is not allowed: must be one value at each of two or more voltages"
            )
        if isinstance(self.voltages, Tracer):
            return
        voltages = np.asarray(self.voltages, float)
        if not np.all(np.diff(voltages) > 0):
            raise ValueError(f"TableGate.voltages = {voltages} mV is not allowed: must rise")
        if np.abs(voltages).max() < 1:
            warnings.warn(f"TableGate.voltages = {voltages} mV look like volts", stacklevel=3)

    def rates(self, v: FloatArray, temperature: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self._prepared(temperature).rates(v, temperature)

    def at_temperature(self, temperature: FloatArray) -> AbstractGate:
        return self._prepared(temperature)

    def _prepared(self, temperature: FloatArray) -> "_PreparedTable":
        factor = jnp.ones_like(temperature) if self.q10 is None else self.q10(temperature)
        apart = lambda x: tuple(x[..., i] for i in range(x.shape[-1]))
        return _PreparedTable(
            apart(self.voltages),
            apart(1 / jnp.diff(self.voltages)),
            self.steady[0],
            tuple(apart(row) for row in _pieces(self.voltages, self.steady)),
            self.tau[0],
            tuple(apart(row) for row in _pieces(self.voltages, self.tau)),
            factor,
        )


class _PreparedTable(AbstractGate):
    """A `TableGate` with the cubics between its knots worked out: each rises from 0 to the difference of the two values. Number by number: taken out
    of an array in a time loop, each would put its gradient back into one at every step."""

    voltages: tuple[FloatArray, ...]
    per_width: tuple[FloatArray, ...]
    first_steady: FloatArray
    steady: tuple[tuple[FloatArray, ...], ...]
    first_tau: FloatArray
    tau: tuple[tuple[FloatArray, ...], ...]
    factor: FloatArray

    def rates(self, v: FloatArray, temperature: FloatArray) -> tuple[FloatArray, FloatArray]:
        del temperature
        v, steady, tau = bounded(v), self.first_steady, self.first_tau
        beyond = [v >= knot for knot in self.voltages]
        # Interval by interval, how much of it lies below v: no search, no gather and no sum along an axis, so that a batch is worked on as vectors. One interval
        # alone is open to derivatives, at the knots too.
        for i, per_width in enumerate(self.per_width):
            part = (v - self.voltages[i]) * per_width
            part = jnp.where(beyond[i], jnp.where(beyond[i + 1], 1.0, part), 0.0)
            steady = steady + polynomial(part, [row[i] for row in self.steady]) * part
            tau = tau + polynomial(part, [row[i] for row in self.tau]) * part
        total = self.factor / tau
        return total * steady, total

    def at_temperature(self, temperature: FloatArray) -> Self:
        del temperature
        return self


def _pieces(x: FloatArray, y: FloatArray) -> FloatArray:
    """The coefficients of t, t^2 and t^3 of a monotone cubic in each interval, t from 0 to 1: shape (3, m - 1)."""
    width, rise = jnp.diff(x), jnp.diff(y)
    secant = rise / width
    left, right = secant[:-1], secant[1:]
    # Weighted harmonic mean of the secants where they agree in sign, or else 0: never more than three times the smaller one, so no overshoot.
    same = left * right > 0
    weight = 2 * width[1:] + width[:-1], width[1:] + 2 * width[:-1]
    mean = (weight[0] + weight[1]) / (weight[0] / jnp.where(same, left, 1.0) + weight[1] / jnp.where(same, right, 1.0))
    slope = jnp.concatenate([jnp.zeros(1, y.dtype), jnp.where(same, mean, 0.0), jnp.zeros(1, y.dtype)])
    begin, end = slope[:-1] * width, slope[1:] * width
    return jnp.stack([begin, 3 * rise - 2 * begin - end, begin + end - 2 * rise])
