"""Programs for accelerators, on a machine without one: the same model code lowers for CUDA and TPU, and calls nothing on the host."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import precision

import neurodyn as nd


T1 = 2.0
MEMBERS = 600


def _simulate(g_na, amplitude, **options):
    model = nd.replace(nd.HodgkinHuxley(), {"na.g": g_na})
    return nd.simulate(model, nd.Step(amplitude, start=0.5), T1, **options)


def _forward(g_na, amplitude):
    return _simulate(g_na, amplitude)


def _gradient(g_na, amplitude):
    return jax.grad(lambda *x: jnp.mean(_simulate(*x).v ** 2), argnums=(0, 1))(g_na, amplitude)


def _many(g_na, amplitudes):
    return nd.vmap(lambda a: _simulate(g_na, a, max_spikes=0).v[-1])(amplitudes)


def _many_gradients(g_na, amplitudes):
    return jax.grad(lambda g: jnp.sum(_many(g, amplitudes)))(g_na)


def _reduced(g_na, amplitude):
    reducers = {"count": nd.reducers.SpikeCount(), "mean": nd.reducers.Mean("v"), "top": nd.reducers.Maximum("na.m")}
    return _simulate(g_na, amplitude, reduce=reducers).reduced


def _adaptive(g_na, amplitude):
    return _simulate(g_na, amplitude, method=nd.Adaptive())


PROGRAMS = {
    "forward": (_forward, ()),
    "gradient": (_gradient, ()),
    "members": (_many, (MEMBERS,)),
    "gradients of members": (_many_gradients, (MEMBERS,)),
    "reducers": (_reduced, ()),
    "adaptive": (_adaptive, ()),
}


#: Diffrax checks the save times of a run by a callback to the host, which cannot be lowered for a platform that is not there.
CHECKED_BY_HOST = pytest.mark.xfail(raises=ValueError, strict=True, reason="Diffrax calls the host to check save times")


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=CHECKED_BY_HOST if name == "adaptive" else ()) for name in PROGRAMS]
)
def test_lowers_without_host_callbacks(name, platform):
    function, shape = PROGRAMS[name]
    with precision(jnp.float32):
        arguments = jax.ShapeDtypeStruct((), np.float32), jax.ShapeDtypeStruct(shape, np.float32)
        exported = jax.export.export(jax.jit(function), platforms=[platform])(*arguments)
    assert exported.platforms == (platform,)
    text = exported.mlir_module()
    assert "stablehlo.while" in text  # the time loop is in there
    called = set(re.findall(r"stablehlo.custom_call @(\w+)", text))
    assert not [target for target in called if "callback" in target], called
    assert "f64" not in text
