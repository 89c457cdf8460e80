"""What every engine is asked to do. Nothing but the standard library: the environments of the peers read it too.

A cell with Hodgkin and Huxley's squid membrane everywhere, each engine's own constants, four compartments per section, -65 mV and steady gates at the start.
The current goes into the compartment that is closest to the first point of the file, from the start to the end; its voltage is recorded at every step.
"""

DT, STEPS = 0.025, 800  # ms; 20 ms
COMPARTMENTS = 4  # of a section
RESISTIVITY, CAPACITANCE = 100.0, 1.0  # ohm cm, uF/cm2
CELSIUS, V_INIT = 6.3, -65.0  # mV
WEAKEST, STRONGEST, TRACED = 0.5, 1.0, 0.75  # nA
TARGET = -60.0  # mV; the loss whose gradient is taken is the mean of (v - TARGET)^2


def amplitudes(n: int) -> list[float]:
    """The current of each cell, nA."""
    return [TRACED] if n == 1 else [WEAKEST + (STRONGEST - WEAKEST) * i / (n - 1) for i in range(n)]


def first_point(path: str) -> tuple[float, float, float]:
    """Where the SWC file begins, um."""
    with open(path) as file:
        for line in file:
            fields = line.split("#")[0].split()
            if fields:
                x, y, z = map(float, fields[2:5])
                return x, y, z
    raise ValueError(f"{path} has no points")
