"""Settings of the whole suite: float64, no accidental broadcasting, and the CPU flags, before anything starts JAX's backend."""

import os

import neurodyn as nd


# The suite's time goes into compilation, and its programs run for milliseconds.
FLAGS = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {FLAGS}"
nd.configure_cpu()

import jax  # noqa: E402
import pytest  # noqa: E402


jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session")
def hh() -> nd.HodgkinHuxley:
    """The default Hodgkin-Huxley neuron, built (and probed) once."""
    return nd.HodgkinHuxley()
