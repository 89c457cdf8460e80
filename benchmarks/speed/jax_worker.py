"""neurodyn, or the plain scan, as a worker: `python -m benchmarks.speed.jax_worker ours|plain_scan float32|float64`."""

import sys

import neurodyn as nd

from .worker import serve


def main() -> None:
    engine, precision = sys.argv[1:]
    nd.configure_cpu()
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", precision == "float64")
    from . import ours, plain_scan

    module = {"ours": ours, "plain_scan": plain_scan}[engine]

    def prepare(kind, n):
        function, p = jax.jit(getattr(module, kind)), module.parameters()
        drive = jnp.linspace(5.0, 20.0, n) if n > 1 else jnp.asarray(10.0)
        return lambda: jax.block_until_ready(function(p, drive))

    serve(prepare)


if __name__ == "__main__":
    main()
