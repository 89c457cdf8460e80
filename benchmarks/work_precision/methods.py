"""The methods that are compared: families of one solver at several steps or tolerances."""

from typing import NamedTuple

import diffrax as dfx

import neurodyn as nd


class Family(NamedTuple):
    """One solver: the method at each setting, coarse to fine, and what the setting is."""

    name: str
    setting: str
    methods: dict[float, nd.FixedStep | nd.Adaptive]
    #: Whether its steps are fixed.
    fixed: bool


def _fixed(name: str, solver: dfx.AbstractSolver, *steps: float) -> Family:
    return Family(name, "dt, ms", {dt: nd.FixedStep(dt, solver) for dt in steps}, True)


def _adaptive(name: str, solver: dfx.AbstractSolver, *tolerances: float) -> Family:
    return Family(name, "rtol", {tol: nd.Adaptive(tol, tol, solver) for tol in tolerances}, False)


FAMILIES = (
    _fixed("Staggered", nd.Staggered(), 0.1, 0.05, 0.025, 0.0125, 0.00625, 0.003125),
    _fixed("Staggered4", nd.Staggered4(), 0.2, 0.1, 0.05, 0.025, 0.0125),
    _fixed("Heun", dfx.Heun(), 0.05, 0.025, 0.0125, 0.00625, 0.003125),
    _fixed("Tsit5", dfx.Tsit5(), 0.1, 0.05, 0.025, 0.0125),
    _adaptive("adaptive Tsit5", dfx.Tsit5(), 1e-3, 1e-5, 1e-7, 1e-9),
    _adaptive("adaptive Kvaerno5", dfx.Kvaerno5(), 1e-3, 1e-5, 1e-7),
)
