"""A cell without ion channels."""

from ..points import GIF, Adaptation
from .template import Template


def adaptive_threshold() -> Template:
    """A cell of 100 pF that adapts and sags: `GIF` with a slow current that follows voltage and spikes, a fast one that may have either sign, and a threshold
    that rises with both: fast after spikes, slowly while the cell is depolarised, as slow inactivation of sodium makes it. Values of ordinary size.

    How slowly is not trained: of a time constant that is longer than the steps only its ratio to the coupling shows. Seconds are what that inactivation takes
    (Fleidervish, Friedman and Gutnick 1996, J. Physiol. 493:83).
    """
    currents = {"fast": Adaptation(20.0, -1.0, 10.0), "slow": Adaptation(150.0, 1.5, 5.0)}
    model = GIF(
        100.0,
        4.0,
        -65.0,
        -48.0,
        2.0,
        -50.0,
        -20.0,
        4.0,
        currents,
        increment=6.0,
        tau_s=100.0,
        coupling=0.2,
        tau_v=3000.0,
    )
    bounds = {
        "capacitance": (50.0, 140.0),
        "g_leak": (0.7, 12.0),
        "e_leak": (-75.0, -55.0),
        "threshold": (-62.0, -35.0),
        "sharpness": (0.5, 10.0),
        "reset": (-60.0, -35.0),
        "refractory": (1.0, 12.0),
        "currents.fast.tau": (2.0, 70.0),
        "currents.fast.a": (-6.0, 4.0),
        "currents.fast.b": (-40.0, 100.0),
        "currents.slow.tau": (50.0, 600.0),
        "currents.slow.a": (-1.0, 4.0),
        "currents.slow.b": (-15.0, 30.0),
        "increment": (-2.0, 25.0),
        "tau_s": (5.0, 500.0),
        "coupling": (0.0, 2.0),
    }
    return Template("adaptive_threshold", model, tuple(bounds), bounds)
