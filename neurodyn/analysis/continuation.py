"""Branches of equilibria followed through their folds."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._model import AbstractNeuron
from .._parameter import check_positive, check_whole
from .._types import BoolArray, FloatArray, State
from .equilibrium import _equilibrium
from .fixed_points import check_range
from .flow import Flow, Pinned, checked, flow_of
from .hopf import Hopf, _hopf
from .newton import newton
from .saddle_node import SaddleNode, _saddle_node
from .stability import is_stable, spectrum


class Branch(eqx.Module):
    """A branch of equilibria, in the order in which it was followed.

    **Fields:**

    - `drive`: shape (n,).
    - `states`: a state whose leaves have a first axis of n.
    - `eigenvalues`: 1/ms, shape (n, size of the state), the largest real part first.
    - `stable`: whether each equilibrium is, shape (n,).
    - `points`: the `SaddleNode`s and `Hopf`s on it, in order, located to rounding.
    - `complete`: whether the branch was followed until it left the range of the drive.
    """

    drive: FloatArray
    states: State
    eigenvalues: Any
    stable: BoolArray
    points: tuple[SaddleNode | Hopf, ...]
    complete: bool = eqx.field(static=True)

    @property
    def saddle_nodes(self) -> tuple[SaddleNode, ...]:
        """The saddle-nodes among the points."""
        return tuple(point for point in self.points if isinstance(point, SaddleNode))

    @property
    def hopfs(self) -> tuple[Hopf, ...]:
        """The Hopf bifurcations among the points."""
        return tuple(point for point in self.points if isinstance(point, Hopf))


def continue_equilibria(
    model: AbstractNeuron,
    lower: float,
    upper: float,
    *,
    start: State | None = None,
    max_step: float = 0.02,
    max_points: int = 2000,
) -> Branch:
    """Follow the equilibrium at drive `lower` through its folds until it leaves the range from `lower` to `upper` (pseudo-arclength continuation), and
    locate the saddle-nodes and Hopf bifurcations on the way.

    Saddle-nodes are where the branch turns round; Hopf bifurcations where two eigenvalues add up to zero (a pair of real ones that does is no
    bifurcation). The points are as accurate as rounding allows, but carry no derivative: pass `point.drive` and `point.state` to `saddle_node` or
    `hopf` for one that does.

    Source: Keller (1977), in Applications of Bifurcation Theory, p. 359; Kuznetsov (2004), Elements of Applied Bifurcation Theory, chapter 10.

    **Arguments:**

    - `model`: not changed.
    - `lower`, `upper`: of the drive, in the model's unit.
    - `start`: near the equilibrium at `lower`; see `equilibrium`.
    - `max_step`: longest step, as a fraction of the ranges that drive and states span.
    - `max_points`: where to give up; `Branch.complete` is then False.

    **Returns:** a `Branch`.

    **Raises:** `ValueError` for a range that is empty, and when there is no equilibrium to begin with.
    """
    ends = check_range("(lower, upper)", (lower, upper))
    check_positive("max_step", max_step, "")
    check_whole("max_points", max_points, 2)
    drive, y = checked(model, ends[0], start)
    flow = flow_of(model)
    u = np.asarray(flow.flatten(_equilibrium(model, drive, y)))
    if not np.isfinite(u).all():
        raise ValueError(
            f"lower = {lower:g} is not allowed: no equilibrium was found there; must be elsewhere, or start near one"
        )
    pinned = _pin(model, jnp.asarray(u), drive)
    path, complete = _follow(pinned, u, ends, max_step, max_points)
    points = [_locate(model, flow, a, b) for a, b in zip(path[:-1], path[1:], strict=True)]
    us, drives = np.stack([p.x[:-1] for p in path]), np.stack([p.x[-1] for p in path])
    spectra = np.stack([p.eigenvalues for p in path])
    found = tuple(point for some in points for point in some)
    return Branch(
        jnp.asarray(drives),
        jax.vmap(flow.unflatten)(jnp.asarray(us)),
        jnp.asarray(spectra),
        jnp.asarray(is_stable(spectra)),
        found,
        complete,
    )


class _Place(NamedTuple):
    """A place on the branch."""

    x: Any  # state and drive
    tangent: Any  # along the branch, of any length
    eigenvalues: Any


@eqx.filter_jit
def _pin(model, u, drive) -> Pinned:
    return flow_of(model).pinned(u, drive)


@eqx.filter_jit
def _correct(pinned: Pinned, x, along, scale, step, before):
    """The point of the branch in the plane that lies at `step` along a direction (in units of `scale`) and is normal to it, the tangent there, in the
    sense of the one before, the eigenvalues, and whether the point was found."""
    predicted = x + step * scale * along

    def residual(x):
        return jnp.concatenate([pinned(x[:-1], x[-1]), (along @ ((x - predicted) / scale))[None]])

    x, found = newton(residual, predicted, max_steps=8)
    return x, *_tangent(pinned, x, before, scale), found


def _tangent(pinned: Pinned, x, before, scale):
    jacobian = jax.jacfwd(lambda x: pinned(x[:-1], x[-1]))(x)
    bordered = jnp.concatenate([jacobian * scale[None], before[None]])
    tangent = jnp.linalg.solve(bordered, jnp.zeros_like(x).at[-1].set(1.0))
    return tangent / jnp.linalg.norm(tangent), spectrum(pinned.flow.jacobian(x[:-1], x[-1]))


def _follow(
    pinned: Pinned, u: np.ndarray, ends: tuple[float, float], max_step: float, max_points: int
) -> tuple[list[_Place], bool]:
    """The branch from state `u` at the lower end on, and whether it left the range."""
    scale = np.append(np.maximum(np.abs(u), 1.0), ends[1] - ends[0]).astype(u.dtype)

    def place(x, tangent, values, found):
        del found
        return _Place(np.asarray(x), np.asarray(tangent) * scale, np.asarray(values))

    up = np.append(np.zeros_like(u), np.ones_like(u[:1]))  # normal to the planes of constant drive
    still, begin = np.zeros_like(scale[0]), np.append(u, ends[0]).astype(u.dtype)
    path = [place(*_correct(pinned, begin, up, scale, still, up))]
    step = max_step / 10
    while len(path) < max_points and step > 1e-9:
        last = path[-1]
        tangent = last.tangent / scale
        tangent = tangent / np.linalg.norm(tangent)
        here = _correct(pinned, last.x, tangent, scale, np.asarray(step, u.dtype), tangent)
        turned = 1 - float(np.asarray(here[1]) @ tangent)
        if not here[-1] or not turned < 0.02:
            step = step / 2
            continue
        x = np.asarray(here[0])
        if not ends[0] <= x[-1] <= ends[1]:
            bound = ends[0] if x[-1] < ends[0] else ends[1]
            guess = last.x + (bound - last.x[-1]) / (x[-1] - last.x[-1]) * (x - last.x)
            guess[-1] = bound
            here = _correct(pinned, guess, up, scale, still, tangent)
            return ([*path, place(*here)], True) if here[-1] else (path, False)
        path.append(place(*here))
        # Voltages of tens of mV and gates below 1 count the same: by the range that each has covered so far.
        scale[:-1] = np.maximum(scale[:-1], np.ptp(np.stack([p.x for p in path]), axis=0)[:-1])
        step = min(step * (1.5 if turned < 0.005 else 1.0), max_step)
    return path, False


def _locate(model: AbstractNeuron, flow: Flow, a: _Place, b: _Place) -> list[SaddleNode | Hopf]:
    """The bifurcations between two neighbouring places."""
    found: list[SaddleNode | Hopf] = []
    if a.tangent[-1] * b.tangent[-1] < 0:
        near = min(a, b, key=lambda p: abs(p.tangent[-1]) / np.linalg.norm(p.tangent))
        found.append(_saddle_node(model, jnp.asarray(near.x[-1]), flow.unflatten(jnp.asarray(near.x[:-1]))))
    if _sum_of_pairs(a) * _sum_of_pairs(b) < 0:
        near = min(a, b, key=_distance_to_axis)
        found.append(_hopf(model, jnp.asarray(near.x[-1]), flow.unflatten(jnp.asarray(near.x[:-1]))))
    span = np.abs(b.x - a.x)
    middle, reach = (a.x + b.x) / 2, 2 * span + 0.1 * span.max() + 1e-6 * (1 + np.abs(a.x))

    def between(point):  # or Newton's method went elsewhere: the eigenvalues that add up to zero were real
        return np.all(np.abs(np.append(flow.flatten(point.state), point.drive) - middle) <= reach)

    return [point for point in found if between(point)]


def _sum_of_pairs(place: _Place) -> float:
    """The sign of the product of all sums of two eigenvalues: it changes where two of them add up to zero."""
    values = place.eigenvalues[place.eigenvalues != 0]
    sums = [values[i] + values[j] for i in range(values.size) for j in range(i)]
    return float(np.sign(np.prod([x / max(abs(x), 1e-300) for x in sums]).real)) if sums else 0.0


def _distance_to_axis(place: _Place) -> float:
    """How far from the imaginary axis the nearest complex eigenvalue is."""
    rings = place.eigenvalues[place.eigenvalues.imag != 0]
    return float(np.min(np.abs(rings.real), initial=np.inf))
