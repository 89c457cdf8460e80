"""Fits a Hodgkin-Huxley membrane to voltage-clamp currents, noisy ones made by the adaptive solver, and prints how well its rates come back.

*steps*: from -100 mV to 13 levels from -60 to +60 mV for 12 ms and back, every 0.02 ms for 20 ms, with white noise of 1 % of their largest current. *all* adds
families that show inactivation, recovery from it, and tails: steps alone say little of a gate's time constant where its channel is closed (the column
"limit" is the standard deviation that no unbiased fit can beat). What is fitted: the conductances of sodium and potassium, and for each gate the shift, the factor on both rates and
the rate scale of beta, all off by 30 % or 5 mV at the start. What is asked for: steady states within 0.01 and time constants within 1 % from -80 to +40 mV.

With NEURODYN_DATA, the folder of recordings, also a real family: 171116sh_0013.abf, ramps of 50 ms from each level to the next, -110 to -50 mV.
`--figure FILE.png` draws that.
"""

import argparse
import os
import time
from pathlib import Path

import neurodyn as nd

from .speed.worker import pin


STARTS = (0, 1, 2)
DT = 0.02  # ms
T1 = 20.0  # ms
GATES = ("na.m", "na.h", "k.n")
POSITIVE = ("na.g", "k.g", *(f"{gate}.{name}" for gate in GATES for name in ("factor", "beta.rate")))
SHIFTS = tuple(f"{gate}.shift" for gate in GATES)


def command(*levels: tuple[float, float]):
    """From -100 mV to up to four levels (from ms, mV) in turn."""
    import numpy as np

    levels = levels + ((T1 + 1, -100.0),) * (4 - len(levels))
    starts, values = np.transpose(levels)
    stops = [*starts[1:], np.inf]
    steps = [nd.Step(v + 100, start, stop) for v, start, stop in zip(values, starts, stops, strict=True)]
    return sum(steps, start=nd.Step(-100.0))


def families() -> dict[str, list]:
    """The commands, mV."""
    steps = [command((1.0, level), (13.0, -100.0)) for level in range(-60, 61, 10)]
    inactivation = [command((1.0, level), (16.0, -10.0), (19.0, -100.0)) for level in range(-90, -10, 10)]
    recovery = [command((1.0, 0.0), (6.0, level), (11.0, 0.0), (14.0, -100.0)) for level in range(-100, -50, 10)]
    tails = [command((1.0, 20.0), (1.5, level), (6.0, 20.0), (12.0, level)) for level in range(-100, 0, 10)]
    return {"steps": steps, "all": steps + inactivation + recovery + tails}


def recorded(model, commands) -> list:
    """Its currents by the adaptive solver, uA/cm2."""
    import jax
    import numpy as np

    times, method = np.arange(round(T1 / DT) + 1) * DT, nd.Adaptive(rtol=1e-9, atol=1e-9)
    clamped = nd.Clamped(model, -100.0)
    run = jax.jit(lambda c: nd.simulate(clamped, c, T1, method=method, ts=times, record="i_ionic").ys["i_ionic"])
    return [np.asarray(run(command)) for command in commands]


def rates_of(model):
    """Steady state and time constant (ms) of each gate from -80 to +40 mV, by gate."""
    import jax.numpy as jnp

    gates = {"na.m": model.na.m, "na.h": model.na.h, "k.n": model.k.n}
    found = {}
    for name, gate in gates.items():
        opening, total = gate.rates(jnp.linspace(-80.0, 40.0, 121), model.temperature)
        found[name] = opening / total, 1 / total
    return found


def least_squares(misfit, start, farthest: float = 20.0):
    """Levenberg and Marquardt's method within a trust region: the point, how often the misfit was evaluated, and the covariance at the end."""
    import jax
    import numpy as np
    from scipy.optimize import least_squares as solve

    function, jacobian = jax.jit(misfit), jax.jit(jax.jacfwd(misfit))
    found = solve(
        lambda x: np.asarray(function(x)),
        start,
        lambda x: np.asarray(jacobian(x)),
        bounds=(-farthest, farthest),
        x_scale="jac",
    )
    return found.x, found.nfev, np.linalg.inv(found.jac.T @ found.jac)


def stacked(objectives):
    """Objectives of one shape as one with a leading axis."""
    import jax
    import jax.numpy as jnp

    return jax.tree_util.tree_map(lambda *leaves: jnp.stack(leaves), *objectives)


def model_at(x):
    """The membrane with factors exp(x) on its positive parameters and shifts of 10 x mV."""
    import jax.numpy as jnp

    from neurodyn._parameter import parameters, replace_leaves

    truth = nd.HodgkinHuxley()
    known, scales = parameters(truth), x[: len(POSITIVE)]
    positive = {
        path: known[path].value * factor for path, factor in zip(POSITIVE, jnp.exp(jnp.asarray(scales)), strict=True)
    }
    return replace_leaves(truth, positive | dict(zip(SHIFTS, 10 * x[len(POSITIVE) :], strict=True)))


def synthetic() -> None:
    """The noisy families: a table of errors per start."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    origin = jnp.zeros(len(POSITIVE) + len(SHIFTS))
    reference = rates_of(model_at(origin))
    along = jax.jacfwd(lambda x: {gate: jnp.log(tau) for gate, (_, tau) in rates_of(model_at(x)).items()})(origin)
    print(
        "| family | seed | misfit per sample | evaluations | s | gate | steady state off by | time constant off by | limit |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    noise = None
    for name, commands in families().items():
        clean = recorded(model_at(origin), commands)
        noise = noise or 0.01 * max(np.abs(current).max() for current in clean)  # the same for all families
        for seed in STARTS:
            random = np.random.default_rng(seed)
            data = [current + noise * random.standard_normal(current.size) for current in clean]
            pairs = zip(commands, data, strict=True)
            family = stacked([nd.fitting.CurrentTrace(command, current, DT, noise=noise) for command, current in pairs])

            def misfit(x, family=family):
                return jax.vmap(lambda objective: objective.misfit(model_at(x)))(family).ravel()

            signs = random.choice([-1.0, 1.0], origin.size)
            start = signs * np.concatenate([np.full(len(POSITIVE), np.log(1.3)), np.full(len(SHIFTS), 0.5)])
            begin = time.perf_counter()
            x, evaluations, covariance = least_squares(misfit, start)
            seconds = time.perf_counter() - begin
            row = f"| {name} | {seed} | {float(jnp.mean(misfit(x) ** 2)):.4f} | {evaluations} | {seconds:.1f} "
            for gate, (steady, tau) in rates_of(model_at(x)).items():
                slope = np.asarray(along[gate])
                limit = np.sqrt(np.einsum("vi,ij,vj->v", slope, covariance, slope).max())
                off = np.max(np.abs(steady - reference[gate][0])), np.max(np.abs(tau / reference[gate][1] - 1))
                print(row + f"| {gate} | {off[0]:.4f} | {100 * off[1]:.2f} % | {100 * limit:.2f} % |")


def main() -> None:
    pin()
    nd.configure_cpu()
    import jax

    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fit_voltage_clamp", description=__doc__)
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    synthetic()
    recordings = os.environ.get("NEURODYN_DATA")
    if recordings:
        from .fit_recorded_clamp import fit_recording

        fit_recording(Path(recordings) / "recordings" / "171116sh_0013.abf", given.figure)


if __name__ == "__main__":
    main()
