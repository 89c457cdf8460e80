"""Where gradients come from, what breaks them, and how that is said."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known_problems import DRIVE, NAMES, PASSIVE, Line, linear_problem, passive_cell, passive_trace
from matplotlib.figure import Figure

import neurodyn as nd
from neurodyn.fitting import Prior, SpikeTrain, Task, VoltageTrace
from neurodyn.fitting.identifiability import GradientHealth, ObjectiveHealth, gradient_health, uncertainty
from neurodyn.plot import determined as plots


@pytest.fixture(scope="module")
def line():
    return linear_problem()


@pytest.fixture(scope="module")
def cell():
    return passive_cell()


def test_the_gradient_of_the_drive(cell):
    """By finite differences of a current in one bin of time."""
    task = Task.of(cell, [passive_trace(3), Prior("capacitance", 2.0, 0.5)], PASSIVE)
    h = gradient_health(task, bins=50)
    assert len(h.objectives) == 2 and h.objectives[1].drive.size == 0
    first = h.objectives[0]
    np.testing.assert_allclose(first.times, np.arange(50.0))
    for place in (0, 17, 40):
        pulse = nd.Step(1.0, float(place), float(place + 1))
        losses = [
            float(VoltageTrace(DRIVE + h * pulse, task.objectives[0].target, 0.1, y0=None, noise=0.2).loss(cell, 0.0))
            for h in (1e-3, -1e-3)
        ]
        assert first.drive[place] == pytest.approx((losses[0] - losses[1]) / 2e-3, rel=1e-4)
    # (1 - 2) / 0.5 squared, with respect to theta: the capacitance doubles in a unit.
    assert h.objectives[1].gradient["capacitance"] == pytest.approx(-8 * np.log(2), rel=1e-9)
    assert sum(o.gradient["capacitance"] for o in h.objectives) == pytest.approx(h.gradient["capacitance"])
    assert h.healthy and "decades" in repr(h) and "<table>" in h._repr_html_()


class Poisoned(Line):
    """Finite, with a gradient that is not, for one of its constants."""

    def misfit(self, model):
        return super().misfit(model) + 0.0 * jnp.sqrt(0.0 * jnp.abs(model.tau))


class Bent(Line):
    """No gradient where the first constant is negative."""

    def misfit(self, model):
        return jax.nn.relu(getattr(model, self.names[0])) * jnp.ones(1) + 1.0


def test_what_breaks_a_gradient_is_named(line):
    good = line[0].objectives[0]
    bad = Poisoned(good.design, good.data, good.noise, good.names)
    h = gradient_health(Task.of(line[0].model, [good, bad], list(NAMES)))
    assert h.objectives[0].finding == "" and not h.healthy
    assert h.findings[0] == (
        "objectives[1] (Poisoned): the loss is finite but its gradient is not, with respect to tau"
    )
    with pytest.raises(ValueError, match="not finite with respect to .*tau"):
        uncertainty(Task.of(line[0].model, bad, list(NAMES)))
    assert h.first_non_finite == "objectives[1] (Poisoned): tau"
    assert gradient_health(line[0]).first_non_finite is None


def test_a_fit_without_a_gradient_says_of_what(line):
    good = line[0].objectives[0]
    bad = Poisoned(good.design, good.data, good.noise, good.names)
    words = r"at the model given objectives\[1\] \(Poisoned\): the loss is finite but its gradient is not, with respect to tau"
    with pytest.raises(ValueError, match=words):
        nd.fit(
            line[0].model,
            [good, bad],
            trainable=list(NAMES),
            key=jax.random.key(0),
            steps=1,
            starts=2,
            check_rank=False,
        )


def test_silent_and_broken_starts_and_bounds():
    task = Task.of(nd.LIF(), Bent(jnp.ones((1, 1)), jnp.ones(1), jnp.ones(()), ("rest",)), ["rest"])
    h = gradient_health(task, starts={"rest": jnp.asarray([1.0, 14.0, 15.0, jnp.nan])})
    assert (h.silent, h.broken, h.starts) == ((0,), (3,), 4)
    assert h.objectives[0].finding == "the gradient is zero"
    boxed = Task.of(nd.LIF(), task.objectives, ["rest"], bounds={"rest": (-65.0, 10.0)})
    assert gradient_health(boxed).at_bound == ("rest",) and "at a bound: rest" in repr(gradient_health(boxed))
    with pytest.raises(ValueError, match="fraction = 2.0"):
        gradient_health(task, fraction=2.0)


def test_findings_about_time():
    times = np.arange(100.0)
    explodes = ObjectiveHealth("a", 1.0, {"x": 1.0}, times, np.exp(-times / 5))
    vanishes = ObjectiveHealth("b", 1.0, {"x": 1.0}, times, np.exp(times / 5))
    poisoned = ObjectiveHealth("c", 1.0, {"x": np.nan}, times, np.where(times < 30, np.nan, 1.0))
    assert "explodes" in explodes.finding and explodes.growth == pytest.approx(16 * np.log10(np.e), rel=1e-6)
    assert "vanishes" in vanishes.finding
    assert poisoned.finding.endswith("with respect to x; it arises near 29 ms")
    assert "nan" in ObjectiveHealth("d", np.nan, {"x": 1.0}, times, times).finding
    health = GradientHealth((explodes, poisoned), {"x": np.nan}, (), (), (), 0)
    assert health.findings[0].startswith("c:")


def test_health_of_a_task_with_spikes(cell):
    h = gradient_health(Task.of(cell, [SpikeTrain(DRIVE, [t], 10.0, dt=0.1) for t in (3.0, 4.0)], PASSIVE), bins=40)
    for o in h.objectives:
        assert np.isfinite(o.drive).all() and o.drive.any() and o.times[-1] < 10.0
    assert h.objectives[0].loss != h.objectives[1].loss


def test_picture():
    times = np.arange(100.0)
    bad = ObjectiveHealth("c", 1.0, {"x": np.nan}, times, np.where(times < 30, np.nan, 1.0))
    ax = plots.gradient_health(GradientHealth((bad,), {"x": 1.0}, (), (), (), 0), Figure().subplots())
    assert ax.get_xlabel() == "time (ms)" and ax.get_yscale() == "log"
