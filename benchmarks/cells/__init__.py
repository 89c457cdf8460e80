"""Cells with a morphology against NEURON, Arbor and Jaxley on the same file: `python -m benchmarks.cells`."""
