"""On which side of a Hopf bifurcation the oscillation lives, and whether it is stable."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from .._types import FloatArray


def first_lyapunov_coefficient(
    field: Callable[[FloatArray], FloatArray], u: FloatArray, q: Any, speed: FloatArray
) -> FloatArray:
    """The first Lyapunov coefficient of a Hopf point.

    Source: Kuznetsov (2004), Elements of Applied Bifurcation Theory, equation 5.62. The bilinear and trilinear forms are nested directional derivatives.

    **Arguments:** `field`: the vector field; `u`: the equilibrium; `q`: the eigenvector of `i speed`, of any length; `speed`: rad/ms.
    """

    def along(function, direction):
        return lambda u: jax.jvp(function, (u,), (direction,))[1]

    @jax.vmap
    def second(a, b):
        return along(along(field, a), b)(u)

    @jax.vmap
    def third(a, b, c):
        return along(along(along(field, a), b), c)(u)

    size, jacobian = u.size, jax.jacfwd(field)(u)
    identity = jnp.eye(size, dtype=u.dtype)
    q = q / jnp.linalg.norm(q)
    r, s = q.real, q.imag
    # The adjoint eigenvector, A^T p = -i speed p with <p, q> = 1, by one bordered solve
    bordered = jnp.zeros((size + 1, size + 1), q.dtype)
    bordered = bordered.at[:size, :size].set(jacobian.T + 1j * speed * identity)
    bordered = bordered.at[:size, size].set(q).at[size, :size].set(q.conj())
    p = jnp.linalg.solve(bordered, jnp.zeros(size + 1, q.dtype).at[size].set(1.0))[:size]
    p = p / jnp.vdot(p, q).conj()
    # The forms B and C are real: of complex directions they are sums over real and imaginary parts.
    rr, rs, ss = second(jnp.stack([r, r, s]), jnp.stack([r, s, s]))
    flat = jnp.linalg.solve(jacobian, rr + ss)  # A^-1 B(q, conj q)
    double = jnp.linalg.solve(2j * speed * identity - jacobian, jax.lax.complex(rr - ss, 2 * rs))
    x, y = double.real, double.imag
    rf, sf, rx, ry, sx, sy = second(jnp.stack([r, s, r, r, s, s]), jnp.stack([flat, flat, x, y, x, y]))
    rrr, rrs, rss, sss = third(jnp.stack([r, r, r, s]), jnp.stack([r, r, s, s]), jnp.stack([r, s, s, s]))
    total = jax.lax.complex(rrr + rss, rrs + sss)  # C(q, q, conj q)
    total = total - 2 * jax.lax.complex(rf, sf) + jax.lax.complex(rx + sy, ry - sx)  # B(conj q, double)
    return jnp.vdot(p, total).real / (2 * speed)
