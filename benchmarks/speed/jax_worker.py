"""Engines in neurodyn's own environment as workers: `python -m benchmarks.speed.jax_worker ours|plain_scan|through_diffrax float32|float64`."""

import importlib
import sys

import neurodyn as nd

from .worker import compiled, serve


def main() -> None:
    engine, precision = sys.argv[1:]
    nd.configure_cpu()
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", precision == "float64")
    module = importlib.import_module(f".{engine}", __package__)

    def prepare(kind, n):
        if engine == "through_diffrax" and kind == "gradient" and n > 1000:
            return None  # takes minutes
        drive = jnp.linspace(5.0, 20.0, n) if n > 1 else jnp.asarray(10.0)
        return compiled(getattr(module, kind), module.parameters(), drive)

    def trace():
        return jax.jit(module.recorded)(module.parameters(), jnp.asarray(10.0))

    serve(prepare, trace)


if __name__ == "__main__":
    main()
