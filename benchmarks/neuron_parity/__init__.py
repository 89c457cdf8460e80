"""What NEURON makes of cells, as numbers for the tests: `python -m benchmarks.neuron_parity FILE FOLDER`."""
