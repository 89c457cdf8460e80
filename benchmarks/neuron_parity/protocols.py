"""What is run with NEURON: numbers that go into the file of references, from which the tests build the same cells.

Units: um, ohm cm, uF/cm2, mS/cm2, mV, ms, nA, uS, Mohm, degC.
"""

from typing import Any


TOLERANCE = 1e-10  # of CVODE, absolute and relative
EVERY = 0.1
TEMPERATURE = 6.3
INITIAL = -65.0
MEMBRANE = {
    "Ra": 100.0,
    "cm": 1.0,
    "gna": 120.0,
    "ena": 50.0,
    "gk": 36.0,
    "ek": -77.0,
    "gl": 0.3,
    "el": -54.387,
    "gpas": 0.1,
    "epas": -65.0,
}

#: Where steady states and time constants are written down: not at -40 and -55 mV, where NEURON uses a series.
RATES_AT = [-100.0 + 6.25 * i for i in range(25)]

_STICK = {
    "shape": {"soma": 20.0, "length": 500.0, "diameter": 2.0},
    "compartments": {"soma": 1, "dend": 25},
    "active": "soma",
    "sites": ["soma(0.5)", "dend(0.5)", "dend(0.98)"],
}
_STEP = {"kind": "current", "at": "soma(0.5)", "amplitude": 0.3, "start": 1.0, "stop": 40.0}

PROTOCOLS: dict[str, dict[str, Any]] = {
    "stick": {**_STICK, "input": _STEP, "t1": 50.0},
    "active_stick": {**_STICK, "active": "all", "input": _STEP, "t1": 50.0},
    "synapse": {
        **_STICK,
        "input": {"kind": "alpha", "at": "dend(0.5)", "peak": 0.01, "onset": 5.0, "tau": 2.0, "reversal": 0.0},
        "t1": 24.0,  # NEURON's synapse stops ten times tau after its onset
    },
    "clamp": {
        **_STICK,
        "input": {
            "kind": "clamp",
            "at": "soma(0.5)",
            "series_resistance": 1.0,
            "levels": [[-65.0, 2.0], [-20.0, 10.0], [-80.0, 10.0]],
        },
        "t1": 20.0,
    },
    "granule": {
        "shape": "brian2_mp_ma_40984_gc2.CNG.swc",
        "compartments": 3,
        "active": "all",
        "sites": ["soma[0](0.5)", "dend[5](0.5)", "dend[20](0.5)"],
        "input": {"kind": "current", "at": "soma[0](0.5)", "amplitude": 0.3, "start": 1.0, "stop": 40.0},
        "t1": 50.0,
    },
    "pyramidal": {
        "shape": "jaxley_ca1_n120.swc",
        "compartments": 4,
        "active": "all",
        "sites": ["soma[0](0.625)", "apic[20](0.625)", "dend[20](0.625)"],
        "input": {"kind": "current", "at": "soma[0](0.625)", "amplitude": 2.0, "start": 1.0, "stop": 40.0},
        "t1": 50.0,
    },
}
