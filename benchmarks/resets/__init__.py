"""Cost of resets at the instant of the crossing, alone, in a population, and against Eventax: `python -m benchmarks.resets`."""
