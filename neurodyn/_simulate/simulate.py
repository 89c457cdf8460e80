"""`simulate`: one run of one model. Batches are `jax.vmap`'s or `sweep`'s business."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from .._model import AbstractBoundedState, AbstractNeuron, check_shapes, prepare
from .._parameter import ParameterInfo, as_floating, check_positive, check_value, check_whole, validate
from .._paths import named_leaves
from .._reducer import AbstractReducer
from .._stimulus import AbstractStimulus
from .._types import State
from .adaptive import AdaptiveRun, simulate_adaptive
from .crossing import default_room
from .derivatives import silent_where_failed
from .events import simulate_events
from .fixed import resets, simulate_fixed
from .method import Adaptive, FixedStep, Method
from .recorder import make_recorder
from .rest import rest_state
from .solution import Solution, failed


def simulate(
    model: AbstractNeuron,
    stimulus: AbstractStimulus,
    t1: float,
    *,
    t0: float = 0.0,
    dt: float = 0.025,
    method: Method | None = None,
    y0: State | Literal["rest"] | None = None,
    ts: ArrayLike | Sequence[float] | None = None,
    record: str | Sequence[str] | None = None,
    every: int = 1,
    max_spikes: int | None = None,
    reduce: Mapping[str, AbstractReducer] | None = None,
) -> Solution:
    """Integrate a neuron from `t0` to `t1` ms.

    **Arguments:**

    - `model`: the neuron; not changed.
    - `stimulus`: its drive.
    - `t1`, `t0`: Python numbers, t1 > t0.
    - `dt`: step of the default method (`FixedStep(dt)`), and the spacing of the records of the adaptive one; ms.
    - `method`: `FixedStep(...)` or `Adaptive(...)`, which overrides `dt`.
    - `y0`: None to start from `model.init()`, `"rest"` for the steady state without drive (differentiable), or a state such as `final` of an
        earlier run.
    - `ts`: times to record at, in order, within [t0, t1]. Without them the records are `every * dt` apart: `floor(steps / every) + 1` of them, with
        `steps = ceil((t1 - t0) / dt)`, the first at t0. On fixed steps a record between two steps lies on the straight line between theirs, across a
        reset too; the adaptive path records the state at that time.
    - `record`: paths or patterns of states and observables (`"v"`, `"na.*"`, `"i_*"`); the voltage by default.
    - `every`: record every so many steps only, at 1/every of the cost.
    - `max_spikes`: size of the spike buffer; by default one spike every 2 ms fits. 0 to skip spikes.
    - `reduce`: reducers by name (`nd.reducers`), such as `{"count": nd.reducers.SpikeCount(), "mean": nd.reducers.Mean("v")}`, evaluated inside
        the time loop. Nothing else is recorded then; the results are in `Solution.reduced`. Fixed steps only.

    **Returns:** a `Solution`. A run that fails does not raise: see `Solution.status`.

    **Raises:** `ValueError` for arguments and concrete parameters that are not allowed, before anything is computed.
    """
    method = FixedStep(dt) if method is None else method
    if isinstance(method, FixedStep):
        dt = method.dt
    _check_arguments(model, stimulus, t0, t1, dt, method, every, max_spikes)
    validate(model, "model")
    validate(stimulus, "stimulus")
    if isinstance(y0, str) and y0 != "rest":
        raise ValueError(f"y0 = {y0!r} is not allowed: must be None, 'rest' or a state")
    if not (y0 is None or isinstance(y0, str)):
        y0 = _checked_state(model, y0)
    times = None if ts is None else _check_times(ts, t0, t1)
    steps = max(1, math.ceil((t1 - t0) / dt * (1 - 1e-9)))
    spikes = default_room(t1 - t0) if max_spikes is None else max_spikes
    recorded = record if record is None or isinstance(record, str) else tuple(record)
    reducers = _check_reducers(reduce, method, record, ts, max_spikes, every)
    if reducers:
        recorded, spikes = (), 0
    every = every if ts is None else 1
    return _simulate(model, stimulus, float(t0), float(t1), steps, method, y0, times, recorded, every, spikes, reducers)


@eqx.filter_jit
def _simulate(model, stimulus, t0, t1, steps, method, y0, ts, record, every, max_spikes, reducers) -> Solution:
    model, stimulus = prepare(model), prepare(stimulus)
    state: State
    if y0 is None:
        state = model.init()
    elif isinstance(y0, str):
        state = rest_state(model)
    else:
        state = y0
    state = jtu.tree_map(jnp.asarray, state)
    drive = jax.eval_shape(lambda s: s(0.0), stimulus)
    check_shapes(model, state, drive)
    paths = {name: make_recorder(model, state, drive, reducer.needs()).paths for name, reducer in reducers.items()}
    if reducers:
        record = tuple(dict.fromkeys(path for found in paths.values() for path in found))
    recorder = make_recorder(model, state, drive, record)
    dtype = jtu.tree_leaves(state)[0].dtype
    if isinstance(method, FixedStep):
        dt = (t1 - t0) / steps
        at = None if ts is None else ts.astype(dtype)
        return simulate_fixed(
            model,
            stimulus,
            state,
            t0,
            steps,
            dt,
            method,
            recorder,
            at,
            every,
            max_spikes,
            {name: (reducer, paths[name]) for name, reducer in reducers.items()},
        )
    _check_tolerance(method, dtype)
    if ts is None:
        ts = t0 + (t1 - t0) / steps * jnp.arange(0, steps + 1, every)
    run = AdaptiveRun.make(model, stimulus, t0, t1 - t0, method, recorder, dtype)
    simulate = simulate_events if resets(model) else simulate_adaptive
    if isinstance(method.adjoint, dfx.RecursiveCheckpointAdjoint):  # forward mode has no need of it
        simulate = silent_where_failed(simulate, lambda solution: failed(solution.status))
    return simulate(run, state, ts.astype(dtype), max_spikes)


def _check_arguments(model, stimulus, t0, t1, dt, method, every, max_spikes) -> None:
    if not isinstance(model, AbstractNeuron):
        raise ValueError(f"model = {type(model).__name__} is not allowed: must be a neuron (an AbstractNeuron)")
    if not isinstance(stimulus, AbstractStimulus):
        raise ValueError(
            f"stimulus = {stimulus!r} is not allowed: must be a stimulus such as nd.Step(10.0) or nd.Samples(values, dt)"
        )
    check_positive("dt", dt, "ms")
    for name, value in (("t0", t0), ("t1", t1)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{name} = {value!r} ms is not allowed: must be a finite Python number")
    if not t1 > t0:
        raise ValueError(f"t1 = {t1:g} ms is not allowed: must be > t0 = {t0:g} ms, time runs forward")
    if not isinstance(method, FixedStep | Adaptive):
        raise ValueError(f"method = {method!r} is not allowed: must be nd.FixedStep(...) or nd.Adaptive(...)")
    check_whole("every", every)
    if max_spikes is not None:
        check_whole("max_spikes", max_spikes, 0)


def _check_reducers(reduce, method, record, ts, max_spikes, every) -> dict[str, AbstractReducer]:
    if reduce is None:
        return {}
    for name, reducer in reduce.items():
        if not isinstance(reducer, AbstractReducer):
            raise ValueError(
                f"reduce[{name!r}] = {reducer!r} is not allowed: must be a reducer such as nd.reducers.SpikeCount()"
            )
    if not isinstance(method, FixedStep):
        raise ValueError(
            "reduce is not allowed with method = Adaptive: its steps are not even; use FixedStep, or reduce the Solution"
        )
    given = {"record": bool(record), "ts": ts is not None, "max_spikes": bool(max_spikes), "every": every != 1}
    for name in given:
        if given[name] and reduce:
            raise ValueError(
                f"{name} is not allowed together with reduce, which stores nothing: run simulate without reduce for it"
            )
    return dict(reduce)


def _checked_state(model: AbstractNeuron, y0: State) -> State:
    """The state in the session's precision, if it is one of the model's and its values make sense."""
    expected = eqx.filter_eval_shape(type(model).init, model)
    shapes = {path: leaf.shape for path, leaf in named_leaves(expected).items()}
    given = {path: as_floating(leaf, f"y0.{path}") for path, leaf in named_leaves(y0).items()}
    if jtu.tree_structure(y0) != jtu.tree_structure(expected):
        raise ValueError(f"y0 is not allowed: has {', '.join(given) or 'no leaves'}, must have {', '.join(shapes)}")
    info = model.state_info() if isinstance(model, AbstractBoundedState) else {}
    for path, leaf in given.items():
        if leaf.shape != shapes[path]:
            raise ValueError(f"y0.{path} of shape {leaf.shape} is not allowed: must have shape {shapes[path]}")
        check_value(f"y0.{path}", leaf, info.get(path, ParameterInfo()))
    return jtu.tree_unflatten(jtu.tree_structure(y0), given.values())


def _check_times(ts, t0: float, t1: float) -> jax.Array:
    if not isinstance(ts, Tracer):
        times = np.asarray(ts, dtype=float)
        if times.ndim != 1 or times.size == 0:
            raise ValueError(f"ts of shape {times.shape} is not allowed: must be one-dimensional and not empty")
        outside = ~((times >= t0) & (times <= t1))
        if outside.any():
            i = int(np.argmax(outside))
            raise ValueError(f"ts[{i}] = {times[i]:g} ms is not allowed: must be within [t0, t1] = [{t0:g}, {t1:g}] ms")
        if (np.diff(times) <= 0).any():
            i = int(np.argmax(np.diff(times) <= 0)) + 1
            raise ValueError(f"ts[{i}] = {times[i]:g} ms is not allowed: must be > ts[{i - 1}] = {times[i - 1]:g} ms")
    return jnp.asarray(ts, dtype=float)


def _check_tolerance(method: Adaptive, dtype) -> None:
    limit = 50 * float(jnp.finfo(dtype).eps)
    if method.rtol < limit:
        raise ValueError(
            f"Adaptive.rtol = {method.rtol:g} is not allowed in {dtype}: must be >= {limit:.1g}; "
            "use float64 (jax.config.update('jax_enable_x64', True)) for finer tolerances"
        )
