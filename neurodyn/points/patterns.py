"""The firing patterns that two papers are known for, ready to run."""

import dataclasses
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from .._model import AbstractSpikingNeuron
from .._simulate import FixedStep, GridReset
from .._stimulus import AbstractStimulus, Samples, Step
from .._types import State
from .adex import AdEx
from .izhikevich import Izhikevich
from .izhikevich_euler import IzhikevichEuler


@dataclasses.dataclass(frozen=True)
class Pattern:
    """A model, and how to run it so that it fires as in its paper: `nd.simulate(p.model, p.stimulus, p.duration, method=p.method, y0=p.y0)`.

    **Fields:** `duration`: ms; `y0`: the state to start from; `method`: the numerical scheme of the paper, or an accurate one where it gives none.
    """

    model: AbstractSpikingNeuron
    stimulus: AbstractStimulus
    duration: float
    y0: State
    method: FixedStep


def adex_patterns() -> dict[str, Pattern]:
    """The eight patterns of Naud et al. (2008), figure 4, by the names of `AdEx`'s class methods: steps of current, from rest, 600 ms."""
    currents = {
        AdEx.tonic: 500.0,
        AdEx.adaptation: 500.0,
        AdEx.initial_burst: 400.0,
        AdEx.regular_bursting: 210.0,
        AdEx.delayed_accelerating: 300.0,
        AdEx.delayed_regular_bursting: 110.0,
        AdEx.transient: 180.0,
        AdEx.irregular: 160.0,
    }
    models = {preset.__name__: (preset(), current) for preset, current in currents.items()}
    return {name: Pattern(model, Step(i), 600.0, model.init(), FixedStep()) for name, (model, i) in models.items()}


def izhikevich_patterns() -> dict[str, Pattern]:
    """The twenty patterns of Izhikevich (2004), figure 1, in its order, with the steps and the scheme of the paper's own program.

    They are what that scheme computes. The differential equation agrees for most, but under the default solver spike latency has no spike instead of 1, the
    depolarising after-potential 8 instead of 1, bistability 7 instead of 5, inhibition-induced spiking 4 instead of 3, and inhibition-induced bursting fires
    without end (`Status.event_storm`).
    """

    def pulses(amplitude, *spans, base=0.0):
        """`base`, and more within each span, both ends excluded."""
        return lambda t: base + amplitude * np.sum([(t > start) & (t < stop) for start, stop in spans], axis=0)

    def step(amplitude, start):
        return pulses(amplitude, (start, np.inf))

    def ramp(slope, offset):
        return lambda t: offset + np.where(t > 30, slope * (t - 30), 0.0)

    def accommodation(t):
        return np.where(t < 200, t / 25, np.where((t >= 300) & (t < 312.5), (t - 300) / 12.5 * 4, 0.0))

    def inhibition(t):
        return np.where((t < 50) | (t > 250), 80.0, 75.0)

    resonance = pulses(0.65, *((t, t + 4) for t in (40, 60, 280, 320)))
    integration = pulses(9.0, *((t, t + 2) for t in (100 / 11, 100 / 11 + 5, 70, 80)))
    bistable = pulses(1.0, (37.5, 42.5), (216, 221), base=0.24)
    thresholds = lambda t: pulses(1.0, (10, 15), (80, 85))(t) + pulses(-6.0, (70, 75))(t)  # noqa: E731
    class_1 = {"linear": 4.1, "constant": 108.0}
    return {
        "tonic_spiking": _pattern((0.02, 0.2, -65, 6), -70, 0.25, 100, step(14.0, 10)),
        "phasic_spiking": _pattern((0.02, 0.25, -65, 6), -64, 0.25, 200, step(0.5, 20)),
        "tonic_bursting": _pattern((0.02, 0.2, -50, 2), -70, 0.25, 220, step(15.0, 22)),
        "phasic_bursting": _pattern((0.02, 0.25, -55, 0.05), -64, 0.2, 200, step(0.6, 20)),
        "mixed_mode": _pattern((0.02, 0.2, -55, 4), -70, 0.25, 160, step(10.0, 16)),
        "spike_frequency_adaptation": _pattern((0.01, 0.2, -65, 8), -70, 0.25, 85, step(30.0, 8.5)),
        "class_1": _pattern((0.02, -0.1, -55, 6), -60, 0.25, 300, ramp(0.075, 0.0), **class_1),
        "class_2": _pattern((0.2, 0.26, -65, 0), -64, 0.25, 300, ramp(0.015, -0.5)),
        "spike_latency": _pattern((0.02, 0.2, -65, 6), -70, 0.2, 100, pulses(7.04, (10, 13))),
        "subthreshold_oscillations": _pattern((0.05, 0.26, -60, 0), -62, 0.25, 200, pulses(2.0, (20, 25))),
        "resonator": _pattern((0.1, 0.26, -60, -1), -62, 0.25, 400, resonance),
        "integrator": _pattern((0.02, -0.1, -55, 6), -60, 0.25, 100, integration, **class_1),
        "rebound_spike": _pattern((0.03, 0.25, -60, 4), -64, 0.2, 200, pulses(-15.0, (20, 25))),
        "rebound_burst": _pattern((0.03, 0.25, -52, 0), -64, 0.2, 200, pulses(-15.0, (20, 25))),
        "threshold_variability": _pattern((0.03, 0.25, -60, 4), -64, 0.25, 100, thresholds),
        "bistability": _pattern((0.1, 0.26, -60, 0), -61, 0.25, 300, bistable),
        "depolarising_after_potential": _pattern((1, 0.2, -60, -21), -70, 0.1, 50, pulses(20.0, (9, 11))),
        "accommodation": _pattern((0.02, 1, -55, 4), -65, 0.5, 400, accommodation, u0=-16.0, offset=-65.0, leak=0.0),
        "inhibition_induced_spiking": _pattern((-0.02, -1, -60, 8), -63.8, 0.5, 350, inhibition),
        "inhibition_induced_bursting": _pattern((-0.026, -1, -45, -2), -63.8, 0.5, 350, inhibition),
    }


def _pattern(
    abcd: tuple[float, float, float, float],
    v0: float,
    dt: float,
    duration: float,
    current: Callable[[np.ndarray], np.ndarray],
    u0: float | None = None,
    **others: float,
) -> Pattern:
    model = Izhikevich(*(float(x) for x in abcd), initial=float(v0), **others)
    y0 = model.init() if u0 is None else {**model.init(), "u": jnp.asarray(u0)}
    # The program takes the current at the beginning of each step for the whole of it.
    t = dt * np.arange(round(duration / dt))
    values = jnp.asarray(current(t), dtype=float)
    return Pattern(model, Samples(values, dt), float(duration), y0, FixedStep(dt, IzhikevichEuler(), GridReset()))
