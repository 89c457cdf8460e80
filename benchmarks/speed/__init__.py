"""Speed against a hand-written loop and against other simulators: `python -m benchmarks.speed`."""
