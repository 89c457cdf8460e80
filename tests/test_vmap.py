"""`nd.vmap`: blocks of members give what `jax.vmap` gives, and its gradients."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurodyn as nd
from neurodyn._simulate.blocks import block_size


def _final(g_na, amplitude):
    model = nd.replace(nd.HodgkinHuxley(), {"na.g": g_na})
    return nd.simulate(model, nd.Step(amplitude), 5.0, max_spikes=0).v[-1]


@eqx.filter_jit
def _loss_and_gradient(mapped, g_na, amplitudes):
    return jax.value_and_grad(lambda g, a: jnp.mean(mapped(g, a) ** 2), argnums=(0, 1))(g_na, amplitudes)


@pytest.mark.parametrize("n", [1, 15, 16, 33, 50])
def test_blocks_change_nothing(n):
    amplitudes = jnp.linspace(5.0, 20.0, n)
    expected, (by_g, by_amplitude) = _loss_and_gradient(jax.vmap(_final, in_axes=(None, 0)), 120.0, amplitudes)
    got, (g, a) = _loss_and_gradient(nd.vmap(_final, in_axes=(None, 0), block=16), 120.0, amplitudes)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    np.testing.assert_allclose(g, by_g, rtol=1e-11)
    np.testing.assert_allclose(a, by_amplitude, rtol=1e-11)


def test_in_axes_and_pytrees():
    def function(x, shared, y):
        return {"sum": x["a"] + shared["b"] + y, "row": x["a"] * jnp.arange(3.0)}

    x, shared, y = {"a": jnp.arange(40.0)}, {"b": 2.0}, jnp.ones((2, 40)).at[1].set(3.0)
    axes = ({"a": 0}, None, 1)
    expected = jax.vmap(function, in_axes=axes)(x, shared, y)
    got = nd.vmap(function, in_axes=axes, block=16)(x, shared, y)
    assert got["sum"].shape == (40, 2) and got["row"].shape == (40, 3)
    jax.tree_util.tree_map(np.testing.assert_array_equal, got, expected)


@pytest.mark.parametrize("axis", [1, -1])
def test_out_axes(axis):
    def function(x):
        return {"trace": x * jnp.arange(3.0), "grid": x * jnp.ones((4, 2))}

    x = jnp.arange(35.0)
    expected, got = jax.vmap(function, out_axes=axis)(x), nd.vmap(function, out_axes=axis, block=16)(x)
    jax.tree_util.tree_map(np.testing.assert_array_equal, got, expected)


def test_a_function_may_close_over_what_it_is_differentiated_by():
    amplitudes = jnp.linspace(5.0, 20.0, 20)

    def loss(g_na, mapped):
        return jnp.mean(mapped(lambda amplitude: _final(g_na, amplitude))(amplitudes) ** 2)

    got = jax.jit(jax.grad(lambda g: loss(g, lambda f: nd.vmap(f, block=16))))(120.0)
    np.testing.assert_allclose(got, jax.jit(jax.grad(lambda g: loss(g, jax.vmap)))(120.0), rtol=1e-11)


def test_blocks_follow_from_the_size_of_the_state():
    def lif(current, reset):
        method = nd.FixedStep(0.025, reset=reset)
        return nd.simulate(nd.LIF(), nd.Step(current), 5.0, method=method).final["v"]

    def adaptive(amplitude):
        return nd.simulate(nd.HodgkinHuxley(), nd.Step(amplitude), 5.0, method=nd.Adaptive()).v

    # 16 KiB of state: four numbers of 8 bytes in each member, or two and the number of a step; an adaptive run carries all the steps it may take. Where a step
    # does something more if any member has reason to, few.
    def members(function, *example):
        return block_size(jax.make_jaxpr(function)(*example).jaxpr, "value")

    assert members(_final, 120.0, 10.0) == 512
    assert members(lambda i: lif(i, nd.GridReset()), 1.0) == 640
    assert members(lambda i: lif(i, nd.ExactReset()), 1.0) == 64
    assert members(adaptive, 1.0) == 8
    assert members(lambda x: 2 * x, 1.0) == 16384


def test_fewer_members_in_a_block_where_a_gradient_is_taken():
    def loss(g_na):
        return jnp.sum(nd.vmap(_final, in_axes=(None, 0))(g_na, jnp.linspace(5.0, 20.0, 600)))

    def blocks(function):
        jaxpr = jax.make_jaxpr(function)(120.0)
        return {eqn.params["length"] for eqn in _equations(jaxpr.jaxpr) if eqn.primitive.name == "scan"} & {2, 5}

    assert blocks(loss) == {2} and blocks(jax.grad(loss)) == {5}


def test_forward_mode_and_hessian_go_through():
    amplitudes = jnp.linspace(5.0, 20.0, 20)

    def loss(g_na):
        return jnp.mean(nd.vmap(_final, in_axes=(None, 0), block=16)(g_na, amplitudes) ** 2)

    reverse, forward = jax.jit(jax.grad(loss))(120.0), jax.jit(jax.jacfwd(loss))(120.0)
    np.testing.assert_allclose(reverse, forward, rtol=1e-11)
    h = 1e-3
    differences = (jax.jit(jax.grad(loss))(120.0 + h) - jax.jit(jax.grad(loss))(120.0 - h)) / (2 * h)
    np.testing.assert_allclose(jax.jit(jax.hessian(loss))(120.0), differences, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nd.vmap(_final, block=0), "block = 0 is not allowed: must be a whole number >= 1"),
        (lambda: nd.vmap(_final, in_axes=None)(1.0, 2.0), "there must be one length"),
        (lambda: nd.vmap(_final)(jnp.ones(3), jnp.ones(4)), r"lengths \[3, 4\]"),
    ],
)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_shared_parameter_is_summed_once():
    # The transposed time loop carries one cotangent per lane: no reduction over lanes stands inside a loop.
    def loss(g_na, amplitudes):
        return jnp.sum(jax.vmap(_final, in_axes=(None, 0))(g_na, amplitudes))

    jaxpr = jax.make_jaxpr(jax.grad(loss))(120.0, jnp.linspace(5.0, 20.0, 7))
    loops = [eqn for eqn in _equations(jaxpr.jaxpr) if eqn.primitive.name == "scan"]
    assert len(loops) >= 2
    for loop in loops:
        inside = [eqn for eqn in _equations(loop.params["jaxpr"].jaxpr) if eqn.primitive.name == "reduce_sum"]
        assert not [eqn for eqn in inside if eqn.invars[0].aval.shape == (7,) and eqn.outvars[0].aval.shape == ()]


def _equations(jaxpr):
    for eqn in jaxpr.eqns:
        yield eqn
        for value in eqn.params.values():
            for inner in value if isinstance(value, tuple | list) else (value,):
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    yield from _equations(inner)
