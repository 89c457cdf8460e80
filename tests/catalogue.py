"""Every kind of neuron the package has, and three written here against the bare contract, each with a stimulus that makes it busy."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx

import neurodyn as nd
from neurodyn import cells
from neurodyn.channels import (
    CalciumPool,
    HCurrent,
    HighVoltageCalcium,
    Leak,
    LowVoltageCalcium,
    Potassium,
    SKPotassium,
    SlowPotassium,
    SlowSodium,
    Sodium,
)
from neurodyn.kinetics import InfTau


class CalciumCell(nd.AbstractNeuron):
    """Hodgkin and Huxley's membrane with a calcium current, calcium, and a potassium current whose gate follows the calcium: leaves that
    have to be swept in order (or, wrongly, as one group)."""

    membrane: nd.HodgkinHuxley
    g_ca: jax.Array = nd.parameter(0.4, unit="mS/cm2", lower=0.0)
    g_ahp: jax.Array = nd.parameter(4.0, unit="mS/cm2", lower=0.0)
    ordered: bool = eqx.field(static=True, default=True)

    def init(self):
        return {**self.membrane.init(), "s": jnp.asarray(1e-4), "ca": jnp.asarray(0.05), "z": jnp.asarray(0.03)}

    def dynamics(self, t, y, drive):
        inner = self.membrane.dynamics(t, {k: y[k] for k in ("v", "na", "k")}, drive)
        v, capacitance = y["v"], self.membrane.capacitance
        conductance_ca, conductance_ahp = self.g_ca * y["s"] ** 2, self.g_ahp * y["z"]
        i_ca = conductance_ca * (v - 120)
        s_inf = jax.nn.sigmoid((v + 20) / 9)
        z_inf = y["ca"] ** 2 / (y["ca"] ** 2 + 0.09)
        slope = {
            **inner.slope,
            "v": inner.slope["v"] - (i_ca + conductance_ahp * (v + 77)) / capacitance,
            "s": (s_inf - y["s"]) / 0.8,
            "ca": -0.002 * i_ca - (y["ca"] - 0.05) / 20,
            "z": (z_inf - y["z"]) / 2,
        }
        decay = {
            **inner.decay,
            "v": inner.decay["v"] + (conductance_ca + conductance_ahp) / capacitance,
            "s": jnp.full_like(v, 1 / 0.8),
            "ca": jnp.full_like(v, 1 / 20),
            "z": jnp.full_like(v, 0.5),
        }
        return nd.Linearised(slope, decay)

    def observe(self, t, y, drive):
        return {}

    def groups(self):
        v, ca, z = (3, 1, 2) if self.ordered else (1, 0, 0)
        return {"v": v, "na": {"m": 0, "h": 0}, "k": {"n": 0}, "s": 0, "ca": ca, "z": z}


class GapPair(nd.AbstractNeuron):
    """Two Hodgkin-Huxley cells joined by a gap junction; the first is driven. The decay of the voltages is an operator."""

    cell: nd.HodgkinHuxley
    coupling: jax.Array = nd.parameter(0.5, unit="mS/cm2", lower=0.0)

    def init(self):
        return jax.tree_util.tree_map(lambda x: jnp.stack([x, x]), self.cell.init())

    def dynamics(self, t, y, drive):
        drives = jnp.stack([drive, jnp.zeros_like(drive)])
        inner = jax.vmap(lambda y, i: self.cell.dynamics(t, y, i))(y, drives)
        laplacian = jnp.asarray([[1.0, -1.0], [-1.0, 1.0]])
        matrix = self.coupling / self.cell.capacitance * laplacian
        slope = {**inner.slope, "v": inner.slope["v"] - matrix @ y["v"]}
        operator = lx.MatrixLinearOperator(jnp.diag(inner.decay["v"]) + matrix)
        return nd.Linearised(slope, {**inner.decay, "v": operator})

    def observe(self, t, y, drive):
        return {}

    def groups(self):
        return self.cell.groups()


class Leaky(nd.AbstractNeuron):
    """`dx/dt = drive - rate x + 1/(1 + x^2)`: one smooth leaf that declares no decay, for Runge-Kutta solvers."""

    rate: jax.Array = nd.parameter(0.7, unit="1/ms")

    def init(self):
        return {"x": jnp.asarray(0.3)}

    def dynamics(self, t, y, drive):
        return nd.Linearised({"x": drive - self.rate * y["x"] + 1 / (1 + y["x"] ** 2)}, {"x": None})

    def observe(self, t, y, drive):
        return {"twice": 2 * y["x"]}

    def groups(self):
        return {"x": 0}


class Entry(NamedTuple):
    """A model and what it is driven by."""

    model: Any
    stimulus: nd.AbstractStimulus


def _inf_tau_cell() -> nd.PointCell:
    gate = InfTau(half=-35.0, slope=8.0, tau_peak=60.0, tau_half=-35.0)
    return nd.PointCell({"na": Sodium(), "k": Potassium(), "m": Potassium(g=0.5, n=gate), "leak": Leak()})


def _slow_cell() -> nd.PointCell:
    channels = {
        "na": SlowSodium(),
        "k": Potassium(),
        "m": SlowPotassium(),
        "h": HCurrent(),
        "fast_h": HCurrent.cortical(),
        "leak": Leak(),
    }
    return nd.PointCell(channels)


def calcium_point_cell() -> nd.PointCell:
    """Hodgkin and Huxley's membrane with calcium channels, calcium, and potassium that follows it, from parts of the library."""
    channels = {
        "na": Sodium(),
        "k": Potassium(),
        "leak": Leak(),
        "hva": HighVoltageCalcium(0.5),
        "lva": LowVoltageCalcium(0.2),
        "ca": CalciumPool(tau=20.0),
        "sk": SKPotassium(1.0),
    }
    return nd.PointCell(channels)


def _cell() -> nd.Cell:
    """A soma that fires and a dendrite with other channels: two domains, states of different sizes."""
    shape = cells.Compartments.by_length(cells.ball_and_stick(20.0, 90.0, 2.0), 30.0)
    channels = {
        "na": cells.On("soma", Sodium()),
        "k": Potassium(),
        "h": cells.On("dendrite", HCurrent(), g=cells.Linear(0.01)),
        "leak": Leak(),
    }
    inputs = {"soma": cells.CurrentClamp("soma"), "synapse": cells.ConductanceInput("dend(0.9)")}
    return nd.Cell(shape, channels, inputs=inputs)


def entries() -> dict[str, Entry]:
    """The catalogue by name."""
    hh = nd.HodgkinHuxley()
    drive = nd.Step(12.0, 1.01, 15.0) + nd.Sine(2.0, 90.0)
    return {
        "hodgkin_huxley": Entry(hh, drive),
        "relative_to_rest": Entry(nd.HodgkinHuxley.relative_to_rest(), drive),
        "absolute": Entry(hh.to_absolute(5000.0), 50.0 * drive),
        "point_cell": Entry(_inf_tau_cell(), drive),
        "slow_gates": Entry(_slow_cell(), drive),
        "calcium_channels": Entry(calcium_point_cell(), drive),
        "morris_lecar": Entry(nd.MorrisLecar.snic(), 8.0 * drive),
        "wang_buzsaki": Entry(nd.WangBuzsaki(), drive),
        "reduced_traub_miles": Entry(nd.ReducedTraubMiles(), drive),
        "connor_stevens": Entry(nd.ConnorStevens(), 2.0 * drive),
        "pospischil": Entry(nd.Pospischil.low_threshold_spiking(), drive),
        "fitzhugh_nagumo": Entry(nd.FitzHughNagumo(), 0.1 * drive),
        "hindmarsh_rose": Entry(nd.HindmarshRose(), 0.3 * drive),
        "lif": Entry(nd.LIF(), nd.Step(3.0, 1.01)),
        "adaptive_lif": Entry(nd.AdaptiveLIF(), nd.Step(30.0, 1.01)),
        "glif": Entry(nd.GLIF(), nd.Step(4000.0, 1.01)),
        "gif": Entry(nd.points.GIF(), nd.Step(4000.0, 1.01)),
        "eif": Entry(nd.EIF(), nd.Step(15.0, 1.01)),
        "qif": Entry(nd.QIF(), nd.Step(200.0, 1.01)),
        "theta": Entry(nd.Theta(), nd.Step(200.0, 1.01)),
        "adex": Entry(nd.AdEx(), nd.Step(8000.0, 1.01)),
        "izhikevich": Entry(nd.Izhikevich(), nd.Step(40.0, 1.01)),
        "clamped": Entry(nd.Clamped(hh), nd.Step(40.0, 2.01) + nd.Step(-65.0)),
        "calcium": Entry(CalciumCell(hh), drive),
        "gap": Entry(GapPair(hh), drive),
        "leaky": Entry(Leaky(), drive),
        "cell": Entry(_cell(), nd.Drives(soma=0.05 * drive, synapse=nd.Alpha(2.0, 1e-3))),
    }
