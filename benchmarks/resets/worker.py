"""One kind of reset as a worker: `python -m benchmarks.resets.worker grid|exact float32|float64`. The work is named `MODEL DT forward|gradient`."""

import sys

import neurodyn as nd

from ..speed.worker import compiled, serve


def main() -> None:
    reset, precision = sys.argv[1:]
    nd.configure_cpu()
    import jax

    jax.config.update("jax_enable_x64", precision == "float64")
    from .models import SUBJECTS, T1, work

    def prepare(kind, n):
        subject, dt, what = kind.split()
        function, arguments = work(subject, reset, float(dt), what, n)
        return compiled(function, *arguments)

    def rates():
        """Spikes per second of the neurons of each model, on average."""
        for subject in SUBJECTS:
            function, arguments = work(subject, reset, 0.025, "forward", 64)
            yield 1e3 / T1 * jax.jit(function)(*arguments).mean()

    serve(prepare, rates)


if __name__ == "__main__":
    main()
