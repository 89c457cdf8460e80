"""Resets at the ends of steps, with a made-up derivative."""

from collections.abc import Callable
from typing import Literal, TypeAlias, get_args

import equinox as eqx
import jax
import jax.numpy as jnp

from ..._parameter import Parameterised, parameter
from ..._types import BoolArray, FloatArray, Parameter, State
from .base import AbstractReset, Events, Span, at_end, heard


Shape: TypeAlias = Literal["fast_sigmoid", "arctan", "triangular", "box"]


def _triangular(x: FloatArray) -> FloatArray:
    inside = jnp.clip(x, -1.0, 1.0)
    return inside - inside * jnp.abs(inside) / 2


#: Of each shape the integral, which goes up by 1 in all, with slope 1 at zero.
_INTEGRALS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "fast_sigmoid": lambda x: x / (1 + 2 * jnp.abs(x)),
    "arctan": lambda x: jnp.arctan(jnp.pi * x) / jnp.pi,
    "triangular": _triangular,
    "box": lambda x: jnp.clip(x, -0.5, 0.5),
}


class Surrogate(AbstractReset, Parameterised):
    """`GridReset` whose step from 0 to 1 at the threshold is differentiated as if it were a gentle one.

    It lets a gradient see spikes that are not there yet, at the price of a bias: `compare_gradients` shows how large. What each step emitted, 0 or 1 with
    that derivative, is in `Solution.emitted`; reducers that count use it. Spike times have no gradient.

    **Fields:**

    - `shape`: of the derivative, as a function of the margin m with x = slope m: `"fast_sigmoid"` `slope / (1 + 2 |x|)^2` (Zenke and Ganguli 2018,
      SuperSpike), `"arctan"` `slope / (1 + (pi x)^2)` (Fang et al. 2021), `"triangular"` `slope max(0, 1 - |x|)` (Bellec et al. 2018) or `"box"` `slope` where
      |x| < 1/2 (Wu et al. 2018). Each has area 1 and the height `slope`; the papers scale them differently.
    - `slope`: 1 / unit of the margin (1/mV).
    - `stop_reset`: whether the gradient leaves out the reset, and goes through what is emitted and what other units hear of it only. Through the reset it grows, at every step in which the
        voltage is close to the threshold, by the height of the reset times the slope: without bound where a step is short.
    """

    shape: Shape = eqx.field(static=True, default="fast_sigmoid")
    slope: Parameter = parameter(0.5, unit="1/mV", lower=0.0, exclusive=True, trainable=False)
    stop_reset: bool = eqx.field(static=True, default=True)

    def __check_init__(self):
        if self.shape not in get_args(Shape):
            raise ValueError(
                f"Surrogate.shape = {self.shape!r} is not allowed: must be one of {', '.join(get_args(Shape))}"
            )

    def step(self, span: Span, y: State, failed: BoolArray) -> tuple[State, Events]:
        del failed  # there is one event at most
        y, margin = at_end(span, y)
        smooth = _INTEGRALS[self.shape](self.slope * margin)
        fired = (margin > 0) + (smooth - jax.lax.stop_gradient(smooth))
        after, emitted = span.model.jump(0.0, y, fired)
        if self.stop_reset:
            after, _ = span.model.jump(0.0, y, jax.lax.stop_gradient(fired))
        offsets = jnp.where(jax.lax.stop_gradient(emitted) > 0.5, span.dt, jnp.inf).astype(margin.dtype)
        after = heard(span.model, after, emitted)
        return after, Events(offsets[None], jnp.asarray(False), jnp.asarray(emitted, margin.dtype))
