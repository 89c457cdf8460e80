"""Cells with ion channels."""

from .._parameter import replace
from ..channels import HCurrent, Leak, Potassium, SlowPotassium, SlowSodium
from ..points import PointCell, Pospischil
from .template import Template


def regular_spiking() -> Template:
    """A pyramidal cell of 100 pF that adapts and sags: sodium with slow inactivation, a delayed rectifier, an M current, an h current and a leak.

    The potassium currents have reversals of their own: in a cell with dendrites the current that flows back from them makes the after-hyperpolarisation after
    single spikes shallower than that after a train.

    Source: fast gates of Traub and Miles (1991), the others as in `SlowSodium`, `SlowPotassium` and `HCurrent`; conductances of ordinary size.
    """
    model = PointCell(
        channels={
            "na": SlowSodium.traub_miles(2000.0, 60.0, -55.0),
            "k": Potassium.traub_miles(300.0, -80.0, -50.0),
            "m": SlowPotassium(20.0, -85.0),
            "h": HCurrent(1.5),
            "leak": Leak(3.0, -65.0),
        },
        capacitance=100.0,
        temperature=36.0,
        initial=-65.0,
        units="absolute",
    )
    # The gates as found; their slowing is trained, for recordings are made at any temperature and rates of sources differ by more.
    model = replace(model, {"channels.h.q.factor": 4.0, "channels.na.h.factor": 0.5, "channels.k.n.factor": 0.5})
    bounds = {
        "capacitance": (50.0, 140.0),
        "channels.leak.g": (0.2, 9.0),
        "channels.leak.e": (-90.0, -45.0),
        "channels.na.g": (30.0, 8000.0),
        "channels.na.e": (45.0, 100.0),
        "channels.na.m.shift": (-68.0, -40.0),
        "channels.na.h.shift": (-90.0, -25.0),
        "channels.na.h.factor": (0.002, 2.0),
        "channels.na.s.factor": (0.2, 80.0),
        "channels.k.g": (15.0, 30000.0),
        "channels.k.e": (-105.0, -35.0),
        "channels.k.n.shift": (-65.0, -20.0),
        "channels.k.n.factor": (0.01, 2.0),
        "channels.m.g": (0.5, 200.0),
        "channels.m.e": (-110.0, -60.0),
        "channels.m.z.steady.half": (-50.0, 5.0),
        "channels.m.z.time.value": (30.0, 600.0),
        "channels.h.g": (0.15, 12.0),
        "channels.h.q.steady.half": (-95.0, -58.0),
        "channels.h.q.steady.slope": (-18.0, -3.0),
        "channels.h.q.time.midpoint": (-110.0, -30.0),
        "channels.h.q.factor": (0.7, 40.0),
    }
    return Template("regular_spiking", model, tuple(bounds), bounds)


def fast_spiking() -> Template:
    """An interneuron of 100 pF that does not adapt: that of Pospischil et al. (2008), `Pospischil.fast_spiking`, with a membrane of 10^4 um2."""
    model = Pospischil.fast_spiking().to_absolute(1e4)
    bounds = {
        "capacitance": (50.0, 140.0),
        "leak.g": (1.0, 60.0),
        "leak.e": (-90.0, -45.0),
        "na.g": (500.0, 30000.0),
        "na.e": (40.0, 85.0),
        "na.m.shift": (-70.0, -40.0),
        "na.h.shift": (-75.0, -35.0),
        "na.h.factor": (0.1, 5.0),
        "k.g": (100.0, 10000.0),
        "k.e": (-110.0, -65.0),
        "k.n.shift": (-75.0, -35.0),
        "k.n.factor": (0.1, 5.0),
    }
    return Template("fast_spiking", model, tuple(bounds), bounds)
