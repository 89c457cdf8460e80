"""`python -m benchmarks.evidence`: the CPU is configured before anything can start JAX's backend."""

import os
import sys

import neurodyn as nd


if __name__ == "__main__":
    nd.configure_cpu(devices=2 if (os.cpu_count() or 1) >= 2 else None)
    from .runner import main

    sys.exit(main())
