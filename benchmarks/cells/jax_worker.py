"""neurodyn as a worker: `python -m benchmarks.cells.jax_worker FILE float32|float64`.

`ours` has `build(path)`, which makes the cell; `compartments(cell)`; `parameters(cell)`, which the gradient is by; and `functions(cell)`, which maps each kind
of work to a function of the parameters and the current in nA, a number or one for each cell. The voltage of one cell is at the start and after every step.
"""

import sys

import neurodyn as nd

from ..speed.worker import compiled
from . import work
from .answers import serve


def main() -> None:
    path, precision = sys.argv[1:]
    nd.configure_cpu()
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", precision == "float64")
    from . import ours

    def prepare(cell, kind, n):
        amplitudes = work.amplitudes(n)
        current = jnp.asarray(amplitudes) if n > 1 else jnp.asarray(amplitudes[0])
        return compiled(ours.functions(cell)[kind], ours.parameters(cell), current)

    def trace(cell):
        voltage = jax.jit(ours.functions(cell)["forward"])(ours.parameters(cell), jnp.asarray(work.TRACED))
        return ours.compartments(cell), voltage[: work.STEPS]

    serve(lambda: ours.build(path), prepare, trace)


if __name__ == "__main__":
    main()
