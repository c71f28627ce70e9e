# `make run` and `make test` need Python 3.11 or newer, pip and make, and nothing else.
PYTHON ?= python3
CORES ?= all
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: run test test-fast install bench docs clean

run: $(INSTALLED)
	$(BIN)/snakemake --cores $(CORES)

# a process a core, each with one thread; a file's tests stay in one, so that what they share is made once. The order is
# that of tests/conftest.py
PYTEST = $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

test: $(INSTALLED)
	$(PYTEST)

# without what runs Snakemake, draws figures or checks types: while one works on the code
test-fast: $(INSTALLED)
	$(PYTEST) -m "not dag and not slow"

install: $(INSTALLED)

# how fast, and compared with what: tables and figures in results/benchmarks; `python benchmarks/report.py` puts them into
# docs/performance.md
bench: $(INSTALLED)
	@# JAX is compared with where it can be had; the benchmark says so where it cannot
	-@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint envs/constraints.txt --editable '.[bench]'
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/images.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/storage.py
	$(BIN)/python benchmarks/experiment.py
	$(BIN)/python benchmarks/census.py
	$(BIN)/python benchmarks/figure.py

# what is generated from the code: the config's JSON Schema and the reference pages in docs/; what is
# said of each kind of bad input
docs: $(INSTALLED)
	$(BIN)/popleak schema > workflow/schemas/config.schema.json
	$(BIN)/popleak docs docs
	$(BIN)/python tests/helpers/bad_inputs.py

$(INSTALLED): pyproject.toml envs/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "popleak needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@# some systems ship venv without its own pip
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) 2>/dev/null || { $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }
	@echo "installing into $(VENV): about two minutes"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint envs/constraints.txt --editable '.[cluster,test]'
	@touch $@

clean:
	rm -rf results .snakemake
