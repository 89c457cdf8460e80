"""A recorded voltage as the target."""

from collections.abc import Sequence
from typing import Any, Literal

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..._model import AbstractNeuron
from ..._parameter import as_floating, parameter, replace_leaves
from ..._paths import named_leaves
from ..._simulate import FixedStep, rest_state, simulate
from ..._solver import Staggered
from ..._stimulus import AbstractStimulus, Samples
from ..._types import FloatArray, Parameter, RealScalar, State
from .base import AbstractObjective
from .baseline import with_baseline
from .checks import as_schedule, check_positive_numbers, finite_vector, stage, window_mask
from .coupling import Coupled, Paired
from .electrode import Electrode
from .voltages import main_voltage, places


class VoltageTrace(AbstractObjective):
    """Mean squared difference between the model's voltage and a recorded one, in units of `noise` squared.

    **Arguments:**

    - `stimulus`: what was injected.
    - `values`: the recorded voltage, mV, shape (n,), the first at `t0`; of several places shape (n, k).
    - `dt`: their spacing, ms. The model is stepped with `dt / substeps`, by `solver`.
    - `window`: only samples from the first to the second of these times (ms) count; all by default. Or an array of shape (n,) of weights from 0
        to 1, one per sample.
    - `y0`: where a run starts: `"held"` (the first recorded voltage with the gates relaxed there; needs a model with an `initial` voltage),
        `"rest"`, or None for the model's own initial state.
    - `coupling`: pull of the model towards the recording, in 1/ms, one per stage of the fit. Ends in zero for a result that runs by itself; a
        start at 1 or so keeps spikes in step, without which the gradient leads nowhere.
    - `noise`: standard deviation of the recording's noise, mV.
    - `electrode`: series resistance, junction potential and filter to apply to the model's voltage before it is compared.
    - `baseline`: a constant current that flowed besides the stimulus, in the model's unit. With the fields of the electrode it may be fitted as a
        nuisance of the sweep.
    - `offset`: a constant in the recorded voltage, mV; likewise.
    - `of`: which voltage was recorded, of a cell with a shape: the name of a probe, or k names. The soma's by default. The current of an electrode goes by its
        name, `of="i_clamp"`, then `values` and `noise` are in nA.
    """

    stimulus: AbstractStimulus
    target: FloatArray
    scale: FloatArray  # of the residuals: zero outside the window
    electrode: Electrode | None
    noise: float = eqx.field(static=True)
    dt: float = eqx.field(static=True)
    substeps: int = eqx.field(static=True)
    solver: dfx.AbstractSolver
    t0: float = eqx.field(static=True)
    y0: Literal["held", "rest"] | None = eqx.field(static=True)
    coupling: tuple[float, ...] = eqx.field(static=True)
    weight: float = eqx.field(static=True)
    of: str | tuple[str, ...] | None = eqx.field(static=True)
    baseline: Parameter = parameter(trainable=False)
    offset: Parameter = parameter(unit="mV", trainable=False)

    def __init__(
        self,
        stimulus: AbstractStimulus,
        values: Any,
        dt: float,
        *,
        t0: float = 0.0,
        window: Any = None,
        y0: Literal["held", "rest"] | None = "held",
        coupling: float | Sequence[float] = 0.0,
        substeps: int = 1,
        solver: dfx.AbstractSolver = Staggered(),
        noise: float = 1.0,
        weight: float = 1.0,
        electrode: Electrode | None = None,
        baseline: float = 0.0,
        offset: float = 0.0,
        of: str | Sequence[str] | None = None,
    ):
        self.of = of if of is None or isinstance(of, str) else tuple(of)
        target = _checked_values(values, self.of)
        check_positive_numbers(dt=dt, noise=noise, weight=weight, substeps=substeps)
        counted = sample_weights(len(target), float(t0), float(dt), window)
        self.stimulus, self.dt, self.substeps, self.t0 = stimulus, float(dt), int(substeps), float(t0)
        self.target = jnp.asarray(target, dtype=float)
        self.scale = jnp.asarray(counted, dtype=float)
        self.solver = solver
        self.noise, self.weight = float(noise), float(weight)
        self.y0 = y0
        self.coupling = as_schedule("coupling", coupling, 0.0, False)
        self.electrode = electrode
        self.baseline = as_floating(baseline, "baseline")
        self.offset = as_floating(offset, "offset")

    def stages(self) -> int:
        return len(self.coupling)

    def _start(self, model: AbstractNeuron) -> State | Literal["rest"] | None:
        if self.y0 != "held":
            return self.y0
        if "initial" not in named_leaves(model):
            raise ValueError(
                f"y0 = 'held' is not allowed for {type(model).__name__}, which has no initial voltage; use 'rest' or None"
            )
        return replace_leaves(model, {"initial": self.target[0].reshape(-1)[0] - self.offset}).init()

    def simulate(self, model: AbstractNeuron, coupling: RealScalar | None = None) -> FloatArray:
        """The model's voltage at the recorded times as the electrode shows it, mV, of the shape of the recording."""
        y0, stimulus = self._start(model), with_baseline(self.stimulus, self.baseline)
        of = main_voltage(model) if self.of is None else self.of
        paths, samples = (of,) if isinstance(of, str) else of, self.target.shape[0]
        if coupling is not None:
            if y0 == "rest":
                y0 = rest_state(model)
            model = Coupled(model, coupling, places(model, paths))
            stimulus = Paired(stimulus, Samples(self.target - self.offset, self.dt, self.t0))
        run = simulate(
            model,
            stimulus,
            self.t0 + self.dt * (samples - 1),
            t0=self.t0,
            method=FixedStep(self.dt / self.substeps, self.solver),
            y0=y0,
            every=self.substeps,
            record=paths,
            max_spikes=0,
        )
        v = run.ys[of] if isinstance(of, str) else jnp.stack([run.ys[path] for path in of], axis=1)
        if self.electrode is not None:
            times = self.t0 + self.dt * jnp.arange(samples)
            v = self.electrode.record(v, jax.vmap(self.stimulus)(times), self.dt)
        return v + self.offset

    def residuals(self, model: AbstractNeuron, fraction: RealScalar) -> FloatArray:
        coupling = None if self.coupling == (0.0,) else stage(self.coupling, fraction)
        return jnp.sqrt(self.share()) * self._weighed(self.simulate(model, coupling) - self.target)

    def misfit(self, model: AbstractNeuron) -> FloatArray:
        """Without coupling, unless the schedule ends with some."""
        coupling = self.coupling[-1] or None
        return self._weighed(self.simulate(model, coupling) - self.target)

    def _weighed(self, v: FloatArray) -> FloatArray:
        """A difference of voltages in units of the noise, flat."""
        return (self._scales() / self.noise * v).ravel()

    def _scales(self) -> FloatArray:
        """Of the residuals, of the shape of the recording or one that goes with it."""
        return self.scale if self.target.ndim == 1 else self.scale[:, None]

    def share(self) -> FloatArray:
        return self.weight / jnp.sum(jnp.broadcast_to(self._scales(), self.target.shape) ** 2)

    def measured(self, model: AbstractNeuron) -> FloatArray:
        return self.misfit(model)

    def response(self, model: AbstractNeuron) -> FloatArray:
        return (self.simulate(model) * (self._scales() > 0)).ravel()


def _checked_values(values: Any, of: str | tuple[str, ...] | None) -> np.ndarray:
    """The recorded voltages. **Raises:** `ValueError` for other than finite numbers, and for another number of places than `of` names."""
    if of is None or isinstance(of, str):
        return finite_vector("values", values, 2)
    array = np.asarray(values, dtype=float)
    if array.ndim != 2 or array.shape[1] != len(of):
        raise ValueError(
            f"values of shape {array.shape} is not allowed: must be (n, {len(of)}), a column for each of {', '.join(of)}"
        )
    columns = [finite_vector(f"values of {name}", column, 2) for name, column in zip(of, array.T, strict=True)]
    return np.stack(columns, axis=1)


def sample_weights(size: int, t0: float, dt: float, window: Any) -> Any:
    """The square roots of the samples' weights, from a window (two times, ms), an array of weights, or None."""
    if window is None or (np.ndim(window) == 1 and len(window) == 2):
        return window_mask(t0 + dt * np.arange(size), window).astype(float)
    weights = finite_vector("window", window, 2)
    if weights.size != size or (weights < 0).any() or (weights > 1).any() or not weights.any():
        raise ValueError(
            f"window of {weights.size} weights from {weights.min():g} to {weights.max():g} is not allowed: must be two times in ms, or "
            f"{size} weights from 0 to 1, one per sample"
        )
    return np.sqrt(weights)
