"""The adaptive driver: Diffrax's error control, with stimulus edges as step points."""

from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu

from .._model import AbstractNeuron, AbstractProblem, AbstractSpikingNeuron, Linearised, Problem
from .._numerics import all_finite, nan_where, polynomial
from .._stimulus import AbstractStimulus, Instant
from .._types import FloatArray, RealScalar, State
from .crossing import first_true, over_units, root
from .method import Adaptive
from .recorder import Recorder
from .solution import Solution, Spikes, Status, failed


class _Warp(eqx.Module):
    """Solver time s against model time t: equal in value, but t runs between the edges in proportion.

    The solver's step points are constants then (a solver's clock has no gradient worth the name), while t(s), and with it the solution,
    depends smoothly on the times of the edges. That makes gradients with respect to edges right to all digits.

    **Fields:** `fixed`: the knots in s, `moving`: the same in t, shape (edges + 2,), in order; ms since the start of the run.
    """

    fixed: FloatArray
    moving: FloatArray

    @classmethod
    def make(cls, edges: FloatArray, span: float) -> "_Warp":
        inner = jnp.sort(jnp.clip(edges, 0.0, span))
        ends = jnp.asarray([0.0], inner.dtype), jnp.asarray([span], inner.dtype)
        moving = jnp.concatenate([ends[0], inner, ends[1]])
        return cls(jax.lax.stop_gradient(moving), moving)

    def segment(self, s: RealScalar) -> jax.Array:
        index = jnp.searchsorted(self.fixed, jax.lax.stop_gradient(s), side="right") - 1
        return jnp.clip(index, 0, self.fixed.shape[0] - 2)

    def rate(self, i: jax.Array) -> FloatArray:
        """dt/ds in a segment: 1 in value."""
        width = self.fixed[i + 1] - self.fixed[i]
        return jnp.where(width > 0, (self.moving[i + 1] - self.moving[i]) / jnp.where(width > 0, width, 1.0), 1.0)

    def model_time(self, s: RealScalar) -> FloatArray:
        i = self.segment(s)
        return self.moving[i] + self.rate(i) * (s - self.fixed[i])

    def solver_time(self, t: RealScalar) -> FloatArray:
        i = self.segment(t)
        return self.fixed[i] + (t - self.moving[i]) / self.rate(i)

    def inside(self, s: RealScalar) -> FloatArray:
        """Model time kept a hair off the ends of its segment, so that a stimulus shows the value it has within. The derivatives are those of the model time there
        too: a solver that asks for the derivative by time does so on an edge as often as not."""
        i = self.segment(s)
        hair = 8 * float(jnp.finfo(self.fixed.dtype).eps) * jnp.maximum(self.fixed[-1], 1.0)
        t = self.model_time(s)
        held = jax.lax.stop_gradient(jnp.clip(t, self.moving[i] + hair, self.moving[i + 1] - hair))
        return held + (t - jax.lax.stop_gradient(t))


class _WarpedDrive(eqx.Module):
    """The stimulus in time since the start of the run."""

    stimulus: AbstractStimulus
    origin: FloatArray

    def __call__(self, t: RealScalar) -> FloatArray:
        return self.stimulus.at(Instant(self.origin, 0, 1.0, t))


class _Args(AbstractProblem):
    problem: Problem
    warp: _Warp

    def neuron(self) -> AbstractNeuron:
        return self.problem.model

    def dynamics(self, t: RealScalar, y: State) -> Linearised:
        """At solver time. The decay is that in model time: equal in value, and no derivative goes through it."""
        rate = self.warp.rate(self.warp.segment(t))
        found = self.problem.dynamics(self.warp.inside(t), y)
        return Linearised(jtu.tree_map(lambda x: x * rate.astype(x.dtype), found.slope), found.decay)


def _slope(s, y: State, args: _Args) -> State:
    return args.dynamics(s, y).slope


def _margin(s, y: State, args: _Args) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Margin of a smooth spiking model and its first two derivatives with respect to solver time."""
    model: Any = args.problem.model

    def first(s, y):
        return jax.jvp(lambda y: model.margin(s, y), (y,), (_slope(s, y, args),))

    (value, slope), (_, curvature) = jax.jvp(first, (s, y), (jnp.ones_like(s), _slope(s, y, args)))
    return value, slope, curvature


def save_state(s, y: State, args: _Args) -> State:
    del s, args
    return y


class AdaptiveRun(eqx.Module):
    """What every solve of a run shares."""

    args: _Args
    origin: FloatArray
    method: Adaptive
    recorder: Recorder
    span: float = eqx.field(static=True)

    @classmethod
    def make(
        cls, model: AbstractNeuron, stimulus: AbstractStimulus, t0: float, span: float, method, recorder, dtype
    ) -> "AdaptiveRun":
        origin = jnp.asarray(t0, dtype)
        warp = _Warp.make(stimulus.edges().astype(dtype) - origin, span)
        return cls(_Args(Problem(model, _WarpedDrive(stimulus, origin)), warp), origin, method, recorder, span)

    @property
    def warp(self) -> _Warp:
        return self.args.warp

    def solve(self, s0: RealScalar, s1: RealScalar, y0: State, subs: Any, solver=None, event=None) -> dfx.Solution:
        """Diffrax's solution from `s0` to `s1` of the solver's time, or to an event."""
        method, knots = self.method, self.warp.fixed
        controller = dfx.ClipStepSizeController(
            dfx.PIDController(rtol=method.rtol, atol=method.atol, dtmax=min(method.max_step, self.span)),
            jump_ts=jnp.unique(knots[1:-1], size=max(knots.shape[0] - 2, 1), fill_value=jnp.inf),
        )
        return dfx.diffeqsolve(
            dfx.ODETerm(_slope),
            method.solver if solver is None else solver,
            t0=s0,
            t1=s1,
            dt0=min(0.01, self.span),
            y0=y0,
            args=self.args,
            saveat=dfx.SaveAt(subs=subs),
            stepsize_controller=controller,
            adjoint=method.adjoint,
            max_steps=method.max_steps or 4096 + int(200 * self.span),
            event=event,
            throw=False,
        )

    def record(self, t: RealScalar, y: State, reached: jax.Array) -> dict[str, Any]:
        """The records at model time t, from the state saved at the equal solver time: the difference is zero in value but has a gradient."""
        s = self.warp.solver_time(t)
        moved = s - jax.lax.stop_gradient(s)
        safe = jtu.tree_map(lambda x: jnp.where(reached, x, jnp.zeros_like(x)), y)
        y = jtu.tree_map(lambda x, slope: x + moved.astype(x.dtype) * slope, safe, _slope(s, safe, self.args))
        record = self.recorder(self.args.problem.model, t, y, lambda: self.args.problem.drive(t))
        return nan_where(~reached, record)

    def status(self, result: Any, finite: jax.Array) -> jax.Array:
        """How a solve ended."""
        codes = [
            (dfx.RESULTS.successful, Status.ok),
            (dfx.RESULTS.event_occurred, Status.ok),
            (dfx.RESULTS.max_steps_reached, Status.max_steps),
            (dfx.RESULTS.dt_min_reached, Status.min_step),
        ]
        status = jnp.asarray(int(Status.solver_failed))
        for code, meaning in codes:
            status = jnp.where(result == code, int(meaning), status)
        return jnp.where((status == Status.ok) & ~finite, int(Status.non_finite), status)


def simulate_adaptive(run: AdaptiveRun, y0: State, ts: FloatArray, max_spikes: int) -> Solution:
    """Run a model that does not reset and record at `ts`. Arguments as in `simulate`, already checked."""
    spiking = isinstance(run.args.problem.model, AbstractSpikingNeuron) and max_spikes > 0
    local = ts - run.origin
    subs = [
        dfx.SubSaveAt(ts=jax.lax.stop_gradient(local), fn=save_state),
        dfx.SubSaveAt(t1=True, fn=save_state),
    ]
    if spiking:
        subs.append(dfx.SubSaveAt(t0=True, steps=True, fn=_margin))
    solution = run.solve(0.0, run.span, y0, subs)
    times: Any = solution.ts
    saved: Any = solution.ys
    final = jtu.tree_map(lambda x: x[0], saved[1])
    status = run.status(solution.result, all_finite(final))
    records = jax.vmap(run.record)(local, saved[0], times[0] <= run.span)  # what was not reached is inf
    spikes = None
    if spiking:
        margin, slope, curvature = saved[2]
        spikes = _crossings(run.origin, run.warp, times[2], margin, slope, curvature, max_spikes)
        status = jnp.where((status == Status.ok) & jnp.any(spikes.overflow), Status.spike_overflow, status)
    return Solution(ts, records, spikes, status, nan_where(failed(status), final))


_PARTS = (
    4  # a step is looked at in this many parts: two crossings within one would be a spike shorter than max_step / 4
)


def _crossings(
    origin: FloatArray,
    warp: _Warp,
    s: FloatArray,
    margin: FloatArray,
    slope: FloatArray,
    curvature: FloatArray,
    max_spikes: int,
) -> Spikes:
    """Upward crossings of the quintic through margin, slope and curvature at the steps the solver took (axes: steps, units).

    A cubic would do for the times, but the derivatives of its error are as large as the bar for gradients, whatever the tolerance.
    """
    column = (-1,) + (1,) * (margin.ndim - 1)
    taken = jnp.isfinite(s[1:])
    begin = jnp.where(taken, s[:-1], 0.0)
    width = jnp.where(taken, s[1:] - s[:-1], 1.0)

    def clean(x, keep):
        return jnp.where(keep.reshape(column), x, 0.0)

    m0, m1 = clean(margin[:-1], taken), clean(margin[1:], taken)
    d0, d1 = (clean(x, taken) * width.reshape(column) for x in (slope[:-1], slope[1:]))

    c0, c1 = (clean(x, taken) * width.reshape(column) ** 2 for x in (curvature[:-1], curvature[1:]))
    p, q, r = m1 - m0 - d0 - c0 / 2, d1 - d0 - c0, c1 - c0

    powers = [m0, d0, c0 / 2, 10 * p - 4 * q + r / 2, -15 * p + 7 * q - r, 6 * p - 3 * q + r / 2]
    parts = jnp.linspace(0.0, 1.0, _PARTS + 1, dtype=s.dtype)
    nodes = [m0] + [polynomial(x, powers) for x in parts[1:-1]] + [m1]
    fired = jnp.stack([(a <= 0) & (b > 0) for a, b in zip(nodes[:-1], nodes[1:], strict=True)], axis=1)
    fired = fired & taken.reshape(-1, 1, *column[1:])

    def one(fired, *powers):
        index, found = first_true(fired, max_spikes)
        step, part = index // _PARTS, index % _PARTS
        chosen = [x[step] for x in powers]
        x = root(lambda x: polynomial(x, chosen), parts[part], parts[part + 1], found)
        times = origin + jnp.vectorize(warp.model_time)(begin[step] + x * width[step])
        return jnp.where(found, times, jnp.inf), jnp.sum(fired)

    return over_units(one, fired.reshape(-1, *margin.shape[1:]), *powers)
