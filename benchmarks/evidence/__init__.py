"""Every claim of the project, measured: `python -m benchmarks.evidence [--only PATTERN]`."""
