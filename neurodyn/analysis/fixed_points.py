"""All equilibria under a constant drive."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._model import AbstractNeuron
from .._parameter import check_whole
from .._types import FloatArray, State
from .equilibrium import settle
from .flow import checked, entry, flow_of
from .newton import newton
from .stability import classify, spectrum


class FixedPoint(eqx.Module):
    """An equilibrium and its stability.

    **Fields:**

    - `state`, `drive`: where it is.
    - `eigenvalues`: of the Jacobian there, 1/ms, the largest real part first.
    - `kind`: its type in words, see `classify`.
    """

    state: State
    drive: FloatArray
    eigenvalues: Any
    kind: str = eqx.field(static=True)


def fixed_points(
    model: AbstractNeuron,
    drive: Any = 0.0,
    *,
    x: str = "v",
    x_range: tuple[float, float] = (-120.0, 60.0),
    starts: int = 181,
) -> tuple[FixedPoint, ...]:
    """All equilibria under a constant drive whose `x` lies in a range: Newton's method from many starts, repeats taken out.

    The starts lie on the steady-state curve: `x` at evenly spaced values, everything else at its steady state there.

    **Arguments:**

    - `model`, `drive`: not changed; not differentiable (use `equilibrium` with `start=point.state` for that).
    - `x`: path of a scalar state; the voltage by default.
    - `x_range`: in its unit. By default that of membrane potentials in mV.
    - `starts`: how many.

    **Returns:** the equilibria, in the order of `x`. Those closer to each other than a millionth are one.

    **Raises:** `ValueError` for a path that does not name one scalar state, or a range that is empty.
    """
    drive, _ = checked(model, drive)
    check_whole("starts", starts, 2)
    index, ends = entry(model, x, "x"), check_range("x_range", x_range)
    roots, found, spectra = (np.asarray(a) for a in _candidates(model, drive, index, jnp.linspace(*ends, starts)))
    inside = found & (roots[:, index] >= ends[0]) & (roots[:, index] <= ends[1])
    flow, kept = flow_of(model), []
    for i in np.flatnonzero(inside)[np.argsort(roots[inside, index])]:
        if all(np.any(np.abs(roots[i] - roots[j]) > 1e-6 * (1 + np.abs(roots[j]))) for j in kept):
            kept.append(i)
    return tuple(
        FixedPoint(flow.unflatten(jnp.asarray(roots[i])), drive, jnp.asarray(spectra[i]), classify(spectra[i]))
        for i in kept
    )


@eqx.filter_jit
def _candidates(model, drive, index: int, values):
    flow = flow_of(model)
    first = flow.flatten(model.init())
    pinned = flow.pinned(first, drive)
    held = jnp.arange(first.size) == index

    def one(value):
        start = settle(pinned, held, first.at[index].set(value), drive)
        x, found = newton(lambda u: pinned(u, drive), start)
        return x, found, spectrum(flow.jacobian(jnp.where(found, x, first), drive))

    return jax.vmap(one)(values)


def check_range(name: str, ends: Any) -> tuple[float, float]:
    """Two ascending finite numbers.

    **Raises:** `ValueError` naming the range.
    """
    if np.shape(ends) != (2,):
        raise ValueError(f"{name} = {ends!r} is not allowed: must be two finite numbers, the smaller first")
    lower, upper = (float(end) for end in ends)
    if not (np.isfinite([lower, upper]).all() and lower < upper):
        raise ValueError(
            f"{name} = ({lower:g}, {upper:g}) is not allowed: must be two finite numbers, the smaller first"
        )
    return lower, upper
