"""The table of gradient modes."""

import jax.numpy as jnp
import numpy as np
import pytest

import neurodyn as nd


BY = ["tau", "threshold", "refractory"]
MODES = {
    "exact": nd.FixedStep(0.5),
    "end of step": nd.FixedStep(0.5, reset=nd.GridReset()),
    "surrogate": nd.FixedStep(0.5, reset=nd.Surrogate()),
}


def test_modes_side_by_side():
    table = nd.compare_gradients(nd.LIF(), nd.Step(2.0), 61.3, BY, modes=MODES, tau=20.0)
    assert list(table) == list(MODES)
    # Closed form: spikes at 20 ln 4 and 2 + 40 ln 4; the trace is sum exp(-(61.3 - t)/20).
    times = np.asarray([20 * np.log(4), 2 + 40 * np.log(4)])
    weights = np.exp(-(61.3 - times) / 20)
    exact = table["exact"]
    np.testing.assert_allclose(exact.times[:2], times, atol=1e-9)
    assert exact.count == 2
    assert exact.readout == pytest.approx(weights.sum())
    by_tau = np.asarray([1, 2]) * np.log(4) @ weights / 20
    by_refractory = weights[1] / 20
    assert exact.gradient["tau"] == pytest.approx(by_tau, rel=1e-9)
    assert exact.gradient["refractory"] == pytest.approx(by_refractory, rel=1e-9)
    assert table.truth["tau"] == pytest.approx(by_tau, rel=1e-7)
    assert table.error("exact") < 1e-7
    assert set(table["end of step"].gradient.values()) == {0.0}
    assert table.error("end of step") == pytest.approx(1.0)
    assert table.error("surrogate") > 1.0
    assert table["surrogate"].readout == pytest.approx(table["end of step"].readout, rel=1e-12)
    text = repr(table)
    assert text.splitlines()[0].split("  ")[0] == "mode"
    assert "d/d refractory" in text and "differences of exact" in text
    assert "<table>" in table._repr_html_()


@pytest.mark.slow
def test_all_modes_of_both_kinds_of_model():
    table = nd.compare_gradients(nd.LIF(), nd.Step(2.0), 61.3, "tau", dt=0.5)
    assert len(table) == 7
    assert table.error("adaptive") < 1e-6 and table.error("exact") < 1e-6
    table = nd.compare_gradients(nd.HodgkinHuxley(), nd.Step(10.0), 20.0, ["na.g"], dt=0.05)
    assert list(table) == ["adaptive", "fixed"]
    assert table.error("adaptive") < 1e-5 and table.error("fixed") < 0.05


@pytest.mark.parametrize(
    "model, by, message",
    [
        (nd.LIF(), "tua", "tau"),
        (nd.LIF(tau=jnp.asarray([10.0, 20.0])), "tau", r"parameter 'tau' of shape \(2,\) is not allowed"),
        (nd.Clamped(nd.HodgkinHuxley()), "holding", "model = Clamped is not allowed: must be a neuron with spikes"),
    ],
)
def test_what_cannot_be_compared(model, by, message):
    with pytest.raises(ValueError, match=message):
        nd.compare_gradients(model, nd.Step(2.0), 10.0, by)


def test_a_mode_that_fails_says_so_and_has_no_numbers():
    # 165 spikes, and room for 26.
    modes = {"exact": nd.FixedStep(0.5, reset=nd.ExactReset(spikes=4)), "end of step": MODES["end of step"]}
    table = nd.compare_gradients(nd.LIF(refractory=0.0), nd.Step(30.0), 50.0, ["tau"], modes=modes, max_spikes=26)
    exact = table["exact"]
    assert exact.status == nd.Status.spike_overflow and exact.count > 26
    assert np.isnan([exact.readout, exact.gradient["tau"], exact.differences["tau"]]).all()
    assert "spike_overflow" in repr(table) and "status" in repr(table).splitlines()[0]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"by": []}, r"by = \[\] is not allowed"),
        ({"by": "tau", "max_spikes": 0}, "max_spikes = 0 is not allowed"),
        (
            {"by": "tau", "modes": {"mine": 3}},
            r"modes\['mine'\] = 3 is not allowed: must be a FixedStep or an Adaptive",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        nd.compare_gradients(nd.LIF(), nd.Step(2.0), 10.0, **arguments)


def test_a_network_is_refused():
    net = nd.networks.LIFNetwork(jnp.zeros((2, 2)))
    with pytest.raises(ValueError, match="several units is not allowed"):
        nd.compare_gradients(net, nd.Step(2.0), 2.0, "tau", modes={"end of step": MODES["end of step"]})
