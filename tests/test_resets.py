"""Events inside a step: hidden, many, at once, together; stimuli with edges; other reset modes; the adaptive path."""

from typing import ClassVar

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import central_differences, observed_orders

import neurodyn as nd


class Chain(nd.AbstractSpikingNeuron):
    """Three units with `dv/dt = drive` each, threshold 1 and reset to 0; a spike of one lifts the next one's v by `kick`."""

    kick: jax.Array = nd.parameter(0.5)

    resets: ClassVar[bool] = True

    def init(self):
        return {"v": jnp.asarray([0.0, 0.4, 0.3])}

    def dynamics(self, t, y, drive):
        return nd.Linearised({"v": drive + jnp.zeros_like(y["v"])}, {"v": None})

    def observe(self, t, y, drive):
        return {}

    def groups(self):
        return {"v": 0}

    def margin(self, t, y):
        return y["v"] - 1

    def jump(self, t, y, fired):
        fired = jnp.asarray(fired, y["v"].dtype)
        kicked = jnp.concatenate([jnp.zeros(1), self.kick * fired[:-1]])
        return {"v": (1 - fired) * y["v"] + kicked}, fired


METHODS = {"fixed": nd.FixedStep(0.7), "adaptive": nd.Adaptive(rtol=1e-9, atol=1e-9, max_events=12)}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_jump_over_the_threshold_fires_at_once(method):
    # By hand, slopes 0.2, 0.1, 0.1 per ms: unit 0 fires at 5 ms. Unit 1 stands at 1.4 after the kick and fires at once, which lifts unit 2 to 1.3: it fires too.
    drive = nd.Step(jnp.asarray([0.2, 0.1, 0.1]))
    sol = nd.simulate(Chain(), drive, 9.0, method=method, max_spikes=3, ts=[9.0])
    np.testing.assert_allclose(sol.spikes.times[:, 0], 5.0, atol=1e-8)
    assert np.asarray(sol.spikes.count).tolist() == [1, 1, 1]
    np.testing.assert_allclose(sol.v[-1], [0.8, 0.4, 0.4], atol=1e-7)


def test_the_derivative_of_a_spike_that_was_pushed_is_that_of_the_push():
    drive = jnp.asarray([0.2, 0.1, 0.1])

    def times(drive):
        return nd.simulate(Chain(), nd.Step(drive), 9.0, dt=0.7, max_spikes=3).spikes.times[:, 0]

    # t = 1 / drive_0 for all three.
    np.testing.assert_allclose(jax.jit(jax.jacrev(times))(drive), [[-25.0, 0, 0]] * 3, atol=1e-9)


def test_units_that_cross_together_fire_together_with_derivatives_of_their_own():
    def times(drive):
        model = Chain(kick=0.0)
        y0 = {"v": jnp.asarray([0.2, 0.2, 0.2])}
        return nd.simulate(model, nd.Step(drive), 9.0, dt=0.7, y0=y0, max_spikes=3).spikes.times[:, 0]

    drive = jnp.full(3, 0.15)
    np.testing.assert_allclose(times(drive), 0.8 / 0.15, atol=1e-9)
    np.testing.assert_allclose(jax.jit(jax.jacfwd(times))(drive), -0.8 / 0.15**2 * np.eye(3), rtol=1e-9, atol=1e-9)


# A crossing that is over before the step is --------------------------------------------------------------------------------------

# Closed forms of a neuron with one input spike of weight w at t = 0, time to the first spike and its derivative (tau_m, tau_s -> w, t, dt/dw): 20 and 10 ms,
# V = w (e^(-t/20) - e^(-t/10)); 10 and 10 ms, V = w t/10 e^(-t/10).
TTFS = {(20.0, 10.0): (6.0, 4.748015723, -1.220084679), (10.0, 10.0): (5.0, None, None)}


def _first_spike(weight, tau, tau_synapse, method, t1=30.0):
    net = nd.networks.LIFNetwork(jnp.zeros((1, 1)), tau, tau_synapse, 1.0, 0.0, 1.0, 0.0)
    # The charge of a spike is 1/tau_s in these units.
    scale = 1.0 if tau == tau_synapse else (tau - tau_synapse) / tau_synapse
    y0 = {"v": jnp.zeros(1), "i": weight * scale * jnp.ones(1)}
    sol = nd.simulate(net, nd.Step(0.0), t1, method=method, y0=y0, max_spikes=1)
    return sol.spikes.times[0, 0], sol


@pytest.fixture(scope="module")
def first_spike():
    """Time of the first spike and its derivative by the weight, at a step of 25 ms: at its end the voltage is below threshold again."""

    def one(weight, tau):
        def time(weight):
            t, sol = _first_spike(weight, tau, 10.0, nd.FixedStep(25.0), 50.0)
            return t, sol

        return jax.value_and_grad(time, has_aux=True)(weight)

    return eqx.filter_jit(one)


def test_time_to_first_spike(first_spike):
    (t, sol), slope = first_spike(jnp.asarray(6.0), 20.0)
    assert int(sol.status) == nd.Status.ok
    assert float(t) == pytest.approx(4.748015723, abs=1e-9)
    assert float(slope) == pytest.approx(-1.220084679, abs=1e-9)
    # Equal time constants: t = -tau W0(-1/w).
    (t, _), slope = first_spike(jnp.asarray(2 * np.e), 10.0)
    from scipy.special import lambertw

    exact = -10 * float(lambertw(-1 / (2 * np.e)).real)
    assert float(t) == pytest.approx(exact, abs=1e-9)
    assert float(slope) == pytest.approx(-exact / (2 * np.e) / (1 - exact / 10), rel=1e-8)


def test_a_silent_neuron_and_one_that_grazes(first_spike):
    # The peak of V is w/4: at w = 4 it touches the threshold.
    for weight in (1.0, 3.999, 4.0):
        (t, sol), slope = first_spike(jnp.asarray(weight), 20.0)
        assert int(sol.status) == nd.Status.ok
        assert np.isinf(t) and float(slope) == 0.0, weight
    slopes = []
    for distance in (1e-2, 1e-4, 1e-6):
        (t, _), slope = first_spike(jnp.asarray(4.0 + distance), 20.0)
        assert float(t) < 20 * np.log(2)
        slopes.append(float(slope))
    # It grows like one over the square root of the distance.
    np.testing.assert_allclose(np.diff(np.log10(np.abs(slopes))), 1.0, atol=0.05)


def test_the_adaptive_path_sees_a_crossing_between_the_ends_of_its_steps():
    # A loose tolerance and no bound on the step: the first step that is accepted would hold the whole excursion.
    method = nd.Adaptive(rtol=1e-2, atol=1e-2, max_step=float("inf"), max_events=2)
    for weight in (4.5, 6.0):
        t, sol = _first_spike(jnp.asarray(weight), 20.0, 10.0, method)
        assert int(sol.spikes.count[0]) == 1, weight
    assert float(t) == pytest.approx(4.748, abs=0.05)


@pytest.mark.parametrize("method", ["one step", "adaptive"])
def test_units_that_know_nothing_of_one_another_fire_as_each_does_alone(method):
    # Excursions of five units in one step, many of them over before it ends and many just below the threshold: none may hide another. Closed form on a grid.
    networks, units, end = 100, 5, 6.0
    rng = np.random.default_rng(0)
    tau, synapse = rng.uniform(0.5, 4.0, (networks, units)), rng.uniform(0.1, 2.0, (networks, units))
    v = rng.uniform(-1.0, 0.95, (networks, units))
    t = np.linspace(0, end, 4001)[1:]
    leak, decay = 1 / tau[..., None], 1 / synapse[..., None]
    free, driven = v[..., None] * np.exp(-leak * t), leak / (leak - decay) * (np.exp(-decay * t) - np.exp(-leak * t))
    i = ((1 - free) / driven).min(axis=-1) * rng.uniform(0.9, 1.3, (networks, units))
    above = free + i[..., None] * driven > 1
    expected = np.where(above.any(axis=-1), t[above.argmax(axis=-1)], np.inf)
    how = {
        "one step": nd.FixedStep(end, reset=nd.ExactReset(spikes=8, events=40)),
        "adaptive": nd.Adaptive(max_events=40),
    }

    @jax.jit
    @jax.vmap
    def run(tau, synapse, v, i):
        net = nd.networks.LIFNetwork(jnp.zeros((units, units)), tau, synapse, 1.0, 0.0, 1.0, 0.0)
        sol = nd.simulate(net, nd.Step(0.0), end, y0={"v": v, "i": i}, method=how[method], record=[], max_spikes=8)
        return sol.spikes.times[:, 0], sol.status

    times, status = run(*(jnp.asarray(x) for x in (tau, synapse, v, i)))
    np.testing.assert_array_equal(status, nd.Status.ok)
    assert 300 < np.isfinite(expected).sum() < 400
    np.testing.assert_allclose(times, expected, atol=3e-3)


# Stimuli ------------------------------------------------------------------------------------------------------------------------


def test_an_edge_and_a_spike_in_the_same_step():
    # The current goes from 2 to 4 nA 0.3 ms before the threshold is reached or 0.1 ms after: only the former makes the spike earlier. Closed form.
    def first(edge):
        drive = nd.Step(2.0) + nd.Step(2.0, edge)
        return nd.simulate(nd.LIF(), drive, 40.0, dt=1.0, max_spikes=2).spikes.times[0]

    alone = 20 * np.log(4.0)
    before, after = jax.jit(jax.vmap(first))(jnp.asarray([alone - 0.3, alone + 0.1]))
    v = -65 + 20 * (1 - np.exp(-(alone - 0.3) / 20))
    exact = alone - 0.3 + 20 * np.log((-25 - v) / (-25 + 50))
    assert float(after) == pytest.approx(alone, abs=1e-9)
    assert float(before) == pytest.approx(
        exact, abs=2e-3
    )  # the drive is averaged from the step's beginning to the spike
    assert alone - exact > 0.1


def test_sampled_and_noisy_stimuli():
    # The same current as samples and as a constant; noise that is the same at half the step, within its second order.
    values = jnp.full(200, 2.5)
    sampled = nd.simulate(nd.LIF(), nd.Samples(values, 0.5), 60.0, dt=0.3).spikes.times[:2]
    constant = nd.simulate(nd.LIF(), nd.Step(2.5), 60.0, dt=0.3).spikes.times[:2]
    np.testing.assert_allclose(sampled, constant, atol=1e-9)
    noise = nd.OrnsteinUhlenbeck(2.5, 1.0, 5.0, 60.0, dt=0.5, key=jax.random.key(0))
    coarse, fine = (nd.simulate(nd.LIF(), noise, 60.0, dt=dt, max_spikes=4).spikes for dt in (0.5, 0.25))
    assert int(coarse.count) == int(fine.count) > 1
    np.testing.assert_allclose(coarse.times[: int(fine.count)], fine.times[: int(fine.count)], atol=0.02)


# Reducers -----------------------------------------------------------------------------------------------------------------------


def test_reducers_see_the_same_spikes():
    # Two spikes in some steps: intervals of 1.3 ms and steps of 2 ms.
    model, drive = nd.LIF(refractory=0.2), nd.Step(28.0)
    method = nd.FixedStep(2.0, reset=nd.ExactReset(spikes=3, events=6))
    window = {"start": 10.0, "stop": 33.3}
    reduce = {
        "times": nd.reducers.SpikeTimes(40),
        "count": nd.reducers.SpikeCount(**window),
        "rate": nd.reducers.MeanRate(**window),
        "intervals": nd.reducers.InterspikeIntervals(),
    }
    full = nd.simulate(model, drive, 50.0, method=method, max_spikes=40).spikes
    reduced = nd.simulate(model, drive, 50.0, method=method, reduce=reduce).reduced
    n = int(full.count)
    assert 30 < n < 40
    np.testing.assert_allclose(reduced["times"].times, full.times, atol=1e-9)
    inside = int(np.sum((full.times > 10) & (full.times <= 33.3)))
    assert int(reduced["count"]) == inside
    assert float(reduced["rate"]) == pytest.approx(1e3 * inside / 23.3)
    assert float(reduced["intervals"]["mean"]) == pytest.approx(np.diff(full.times[:n]).mean(), rel=1e-9)


@pytest.mark.slow
def test_gradient_through_a_reducer_of_exact_spikes():
    def mean(current):
        sol = nd.simulate(nd.LIF(), nd.Step(current), 100.0, dt=0.5, reduce={"isi": nd.reducers.InterspikeIntervals()})
        return sol.reduced["isi"]["mean"]

    # d(interval)/dI at 2 nA is -30 ms/nA.
    assert float(jax.jit(jax.grad(mean))(2.0)) == pytest.approx(-30.0, rel=1e-9)


# Surrogates ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["fast_sigmoid", "arctan", "triangular", "box"])
def test_surrogate_shapes(shape):
    # One step: the derivative of what is emitted with respect to the voltage is the surrogate. Area 1, height `slope`.
    model, reset = nd.LIF(tau=1e9), nd.Surrogate(shape, 0.4)

    def emitted(v):
        y0 = {"v": v, "refractory": jnp.zeros_like(v)}
        return nd.simulate(model, nd.Step(0.0), 0.1, method=nd.FixedStep(0.1, reset=reset), y0=y0).emitted[0]

    distance = jnp.linspace(-400.0, 400.0, 160_001)
    value, slope = jax.jit(jax.vmap(jax.value_and_grad(emitted)))(-50.0 + distance)
    off = np.abs(np.asarray(distance)) > 1e-9
    np.testing.assert_array_equal(value[off], (distance > 0)[off])
    assert float(slope[80_000]) == pytest.approx(0.4, rel=1e-3)
    assert float(jnp.trapezoid(slope, distance)) == pytest.approx(1.0, abs=4e-3)
    x = 0.4 * np.asarray(distance)
    formula = {
        "fast_sigmoid": 1 / (1 + 2 * abs(x)) ** 2,
        "arctan": 1 / (1 + (np.pi * x) ** 2),
        "triangular": np.maximum(0, 1 - abs(x)),
        "box": np.where(abs(x) < 0.5, 1.0, 0.0),
    }[shape]
    away = abs(abs(x) - 0.5) > 1e-3
    np.testing.assert_allclose(slope[away], 0.4 * formula[away], atol=1e-6)


def test_surrogate_gradient_of_a_count():
    # A neuron below threshold: exact gradients see nothing, the surrogate says that more current would help. The reset may be left out of the gradient.
    def count(current, reset):
        method = nd.FixedStep(0.5, reset=reset)
        return nd.simulate(
            nd.LIF(), nd.Step(current), 60.0, method=method, reduce={"n": nd.reducers.SpikeCount()}
        ).reduced["n"]

    value, slope = jax.jit(lambda i: jax.value_and_grad(count)(i, nd.Surrogate(slope=0.2)))(1.4)
    assert float(value) == 0.0 and float(slope) > 0.1
    stopped, through = (
        jax.jit(lambda i, r=r: jax.grad(count)(i, r))(2.0)
        for r in (nd.Surrogate(slope=0.02), nd.Surrogate(slope=0.02, stop_reset=False))
    )
    assert np.isfinite(stopped) and np.isfinite(through) and abs(stopped - through) > 1e-3
    grid = nd.simulate(nd.LIF(), nd.Step(2.0), 60.0, method=nd.FixedStep(0.5, reset=nd.GridReset())).spikes
    surrogate = nd.simulate(nd.LIF(), nd.Step(2.0), 60.0, method=nd.FixedStep(0.5, reset=nd.Surrogate())).spikes
    np.testing.assert_array_equal(grid.times, surrogate.times)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: nd.Surrogate("gaussian"), "Surrogate.shape = 'gaussian' is not allowed: must be one of fast_sigmoid"),
        (lambda: nd.Surrogate(slope=-1.0), "Surrogate.slope = -1.*must be finite and > 0"),
        (lambda: nd.FixedStep(0.1, reset="exact"), "FixedStep.reset = 'exact' is not allowed: must be nd.ExactReset()"),
        (lambda: nd.ExactReset(spikes=0), "ExactReset.spikes = 0 is not allowed: must be a whole number >= 1"),
        (lambda: nd.ExactReset(events=1.5), "ExactReset.events = 1.5 is not allowed: must be a whole number >= 1"),
        (lambda: nd.Adaptive(max_events=0), "Adaptive.max_events = 0 is not allowed: must be a whole number >= 1"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_what_was_emitted_is_there_with_a_surrogate_only():
    with pytest.raises(AttributeError, match="Surrogate"):
        _ = nd.simulate(nd.LIF(), nd.Step(2.0), 1.0).emitted


# Networks -----------------------------------------------------------------------------------------------------------------------

WEIGHTS = jnp.asarray([[0.0, 0.8], [0.6, 0.0]])
DRIVE = nd.Step(jnp.asarray([2.0, 1.7]))


def _network_times(weights, delay, method):
    net = nd.networks.LIFNetwork(weights, axon=None if delay is None else nd.networks.Axon(delay))
    sol = nd.simulate(net, DRIVE, 80.0, method=method, max_spikes=2, ts=[80.0])
    return sol.spikes.times


def _with_jacobian(times, weights):
    return jax.jit(lambda w: (times(w), jax.jacrev(times)(w)))(weights)


@pytest.fixture(scope="module", params=[None, 1.37], ids=["at once", "delayed"])
def network(request):
    """Spike times of two coupled neurons and their derivatives by the weights: at coarse fixed steps and on the adaptive path."""
    delay = request.param
    accurate = nd.Adaptive(rtol=1e-11, atol=1e-11, max_events=12)
    fixed, adaptive = (
        _with_jacobian(lambda w, m=method: _network_times(w, delay, m), WEIGHTS)
        for method in (nd.FixedStep(0.1), accurate)
    )
    return delay, fixed, adaptive


@pytest.mark.slow
def test_coupled_neurons_on_both_paths(network):
    # Every spike by every weight. The fixed path solves the equations between spikes exactly, so at any step it is the adaptive one.
    delay, (times, jacobian), (accurate, accurate_jacobian) = network
    assert np.isfinite(times).all()
    np.testing.assert_allclose(times, accurate, atol=1e-8)
    np.testing.assert_allclose(jacobian, accurate_jacobian, atol=1e-6)
    assert np.abs(jacobian[:, 1]).max(axis=(1, 2)).min() > 0.1  # or there would be nothing to compare


@pytest.mark.slow
def test_gradients_of_coupled_neurons_are_differences(network):
    delay, (_, jacobian), _ = network

    def flat(w):
        return _network_times(w.reshape(2, 2), delay, nd.FixedStep(0.1))

    differences = central_differences(flat, WEIGHTS.ravel(), np.full(4, 1e-4))[0]
    expected = np.moveaxis(differences, 0, -1).reshape(2, 2, 2, 2)
    np.testing.assert_allclose(jacobian, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("network", [1.37], indirect=True, ids=["delayed"])  # which has every kind of event
def test_a_scheme_that_is_not_exact_converges_to_the_adaptive_path(network):
    # Heun's method in every leaf: second order in times and in their derivatives.
    delay, _, (accurate, accurate_jacobian) = network
    errors = []
    for dt in (0.1, 0.05, 0.025):
        times, jacobian = _with_jacobian(
            lambda w, dt=dt: _network_times(w, delay, nd.FixedStep(dt, dfx.Heun())), WEIGHTS
        )
        errors.append([np.abs(times - accurate).max(), np.abs(jacobian - accurate_jacobian).max()])
    orders = observed_orders(errors)
    np.testing.assert_allclose(orders[:, 0], 2.0, atol=0.1)
    assert (orders[:, 1] > 1.8).all()


@pytest.mark.slow
def test_derivatives_by_the_delay():
    # Neuron 1 hears neuron 0 later: its spike moves by the same as the derivative says, fixed against differences.
    def times(delay):
        return _network_times(WEIGHTS, delay, nd.FixedStep(0.5))[1]

    got = jax.jit(jax.jacfwd(times))(jnp.asarray(1.37))
    expected = central_differences(lambda d: times(d[0]), jnp.asarray([1.37]), np.asarray([1e-4]))[0, 0]
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    assert float(got[0]) > 0.1


def test_a_delay_is_heard_exactly_then():
    net = nd.networks.LIFNetwork(jnp.asarray([[0.0, 0.0], [3.0, 0.0]]), axon=nd.networks.Axon(1.37))
    sol = nd.simulate(net, nd.Step(jnp.asarray([2.0, 0.0])), 30.0, dt=0.1, record="i")
    arrival = 20 * np.log(4.0) + 1.37
    late = np.arange(301) * 0.1 > arrival
    since = np.arange(301)[late] * 0.1 - arrival
    np.testing.assert_allclose(sol.ys["i"][late, 1], 3 * np.exp(-since / 5), atol=1e-9)
    np.testing.assert_array_equal(sol.ys["i"][~late], 0.0)


@pytest.mark.parametrize("reset", [nd.ExactReset(), nd.GridReset()], ids=["exact", "grid"])
def test_a_delay_of_a_whole_number_of_steps(reset):
    # 1 - 0.5 - 0.5 is exactly zero: a spike that is due is not one that is not there.
    net = nd.networks.LIFNetwork(jnp.asarray([[0.0, 0.0], [40.0, 0.0]]), axon=nd.networks.Axon(1.0))
    y0 = {**net.init(), "v": jnp.asarray([-49.0, -65.0])}  # fires at once
    sol = nd.simulate(net, nd.Step(0.0), 20.0, method=nd.FixedStep(0.5, reset=reset), y0=y0, record="i")
    assert sol.spikes.count.tolist() == [1, 5]
    # From the end of the first step on the grid, at once inside the step.
    begin = 1.0 if isinstance(reset, nd.ExactReset) else 1.5
    assert float(sol.ys["i"][4, 1]) == pytest.approx(40 * np.exp(-(2.0 - begin) / 5))


def test_a_surrogate_goes_through_synapses_and_not_through_the_reset():
    # The same scheme by hand, with the exact solution of a step and the reset left out of the derivative.
    drive, dt, steps = jnp.asarray([3.0, 1.0, 1.0]), 0.5, 80
    ones = jnp.ones(3)

    def weights(w):
        return jnp.zeros((3, 3)).at[1, 0].set(w[0]).at[2, 1].set(w[1])

    def by_hand(w):
        def step(state, _):
            v, i = state
            leak, decay = jnp.exp(-dt / 20), jnp.exp(-dt / 5)
            steady = -65 + 10 * drive
            v = steady + (v - steady) * leak + 10 * i * (5 / (20 - 5)) * (leak - decay)
            x = 0.5 * (v + 50)
            smooth = x / (1 + 2 * jnp.abs(x))
            fired = (v > -50) + smooth - jax.lax.stop_gradient(smooth)
            v = jnp.where(v > -50, -65.0 + 0 * v, v)
            return (v, i * decay + weights(w) @ fired), fired[2]

        return jnp.sum(jax.lax.scan(step, (-65.0 * ones, 0.0 * ones), length=steps)[1])

    def simulated(w):
        method = nd.FixedStep(dt, reset=nd.Surrogate("fast_sigmoid", slope=0.5))
        run = nd.simulate(nd.networks.LIFNetwork(weights(w)), nd.Step(drive), dt * steps, method=method)
        return jnp.sum(run.emitted[:, 2])

    w = jnp.asarray([5.0, 5.0])
    (count, expected), (same, got) = (jax.jit(jax.value_and_grad(f))(w) for f in (by_hand, simulated))
    assert count == same > 0
    assert np.abs(expected).min() > 0.1
    np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_a_surrogate_is_refused_where_spikes_are_under_way():
    net = nd.networks.LIFNetwork(jnp.zeros((2, 2)), axon=nd.networks.Axon(1.0))
    with pytest.raises(ValueError, match="reset = Surrogate is not allowed for a LIFNetwork with an axon"):
        nd.simulate(net, nd.Step(1.0), 1.0, method=nd.FixedStep(0.5, reset=nd.Surrogate()))


def test_the_room_for_spikes_changes_nothing_else_on_the_adaptive_path():
    runs = [
        nd.simulate(nd.LIF(), nd.Step(2.0), 100.0, dt=1.0, method=nd.Adaptive(), max_spikes=n) for n in (None, 0, 2)
    ]
    assert [int(run.status) for run in runs] == [nd.Status.ok, nd.Status.ok, nd.Status.spike_overflow]
    assert int(runs[2].spikes.count) == int(runs[0].spikes.count) == 3
    for run in runs[1:]:
        np.testing.assert_allclose(run.v, runs[0].v, rtol=1e-12)


def test_more_spikes_under_way_than_there_is_room_for_are_reported():
    net = nd.networks.LIFNetwork(jnp.zeros((1, 1)), axon=nd.networks.Axon(50.0, pending=2))
    assert int(nd.simulate(net, nd.Step(3.0), 40.0, dt=0.5).status) == nd.Status.ok
    assert int(nd.simulate(net, nd.Step(6.0), 40.0, dt=0.5).status) == nd.Status.non_finite


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: nd.networks.LIFNetwork(jnp.zeros((2, 3))), r"weights of shape \(2, 3\) is not allowed"),
        (lambda: nd.networks.Axon(0.0), "Axon.delay = 0"),
        (lambda: nd.networks.Axon(1.0, pending=0), "Axon.pending = 0 is not allowed"),
        (lambda: nd.networks.LIFNetwork(jnp.zeros((1, 1)), threshold=-70.0), "LIFNetwork.reset"),
        (
            lambda: nd.simulate(nd.networks.LIFNetwork(jnp.zeros((2, 2)), tau=jnp.ones(3)), nd.Step(1.0), 1.0),
            r"LIFNetwork: shapes do not go together .*; not scalars: weights \(2, 2\), tau \(3,\)",
        ),
    ],
)
def test_bad_networks(make, message):
    with pytest.raises(ValueError, match=message):
        make()
