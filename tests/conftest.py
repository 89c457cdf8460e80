"""Settings of the whole suite: float64, no accidental broadcasting, and the CPU flags, before anything starts JAX's backend."""

import os

import neurodyn as nd


# The suite's time goes into compilation, and its programs run for milliseconds.
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_backend_optimization_level=0"
nd.configure_cpu()

import jax  # noqa: E402
import pytest  # noqa: E402


jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session")
def hh() -> nd.HodgkinHuxley:
    """The default Hodgkin-Huxley neuron, built (and probed) once."""
    return nd.HodgkinHuxley()
