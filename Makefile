# On a fresh machine `make demo` and `make test` need python3 and make only: each sets up a virtual environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
STAMP := $(VENV)/.installed

PEERS := benchmarks/.peers

.PHONY: demo test test-all evidence bench bench-fits notebooks lint clean

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/neurodyn demo

test: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) -m "not slow"

test-all: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS)

evidence: $(STAMP)
	$(BIN)/python -m benchmarks.evidence $(if $(ONLY),--only '$(ONLY)')

vpath requirements-%.txt benchmarks/speed benchmarks/resets benchmarks/cells
$(PEERS)/%/.installed: requirements-%.txt
	$(PYTHON) -m venv $(PEERS)/$*
	$(PEERS)/$*/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

bench: $(STAMP) $(foreach peer,jaxley neuron eventax arbor,$(PEERS)/$(peer)/.installed)
	$(BIN)/python -m benchmarks.speed $(BENCH)
	$(if $(BENCH),,$(BIN)/python -m benchmarks.work_precision)
	$(if $(BENCH),,$(BIN)/python -m benchmarks.resets)
	$(if $(BENCH),,$(BIN)/python -m benchmarks.cells)

FITS := spike_times voltage_trace voltage_clamp recording ann grasshopper
bench-fits: $(STAMP)
	$(foreach fit,$(FITS),$(BIN)/python -m benchmarks.fit_$(fit) --write &&) true

notebooks: $(STAMP)
	$(BIN)/jupyter execute --inplace notebooks/*.ipynb

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

clean:
	rm -rf $(VENV) $(PEERS) neurodyn-demo
