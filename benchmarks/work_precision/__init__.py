"""Error of spike times against the time a run takes, for every kind of solver: `python -m benchmarks.work_precision`."""
