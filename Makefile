# `make run` and `make test` need Python 3.11 or newer, pip and make, and nothing else.
PYTHON ?= python3
CORES ?= all
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: run test test-fast test-storage coverage audit install bench docs site clean

run: $(INSTALLED)
	$(BIN)/snakemake --cores $(CORES)

# a process a core, each with one thread; a file's tests stay in one, so that what they share is made once. The order is
# that of tests/conftest.py
WORKERS ?= auto
# the tests start Python a thousand times: without bytecode each start would compile the package
test test-fast test-storage coverage: export PYTHONDONTWRITEBYTECODE :=
PYTEST = $(BIN)/python -m pytest --numprocesses $(WORKERS) --maxprocesses 8 --dist loadfile --no-loadscope-reorder

test: $(INSTALLED)
	$(PYTEST)

# without what runs Snakemake, draws figures or checks types: while one works on the code
test-fast: $(INSTALLED)
	$(PYTEST) -m "not dag and not slow"

# The store in object storage. Its client needs another python-dateutil, so this has an environment of its own, which takes
# all else from the first.
S3 := .venv-s3
TESTS_S3 := tests/cluster/test_s3.py
test-storage: $(INSTALLED)
	@test -x $(S3)/bin/python || $(BIN)/python -m venv --without-pip $(S3)
	@echo "import site; site.addsitedir('$$($(BIN)/python -c 'import site; print(site.getsitepackages()[0])')')" > $$(echo $(S3)/lib/python3*/site-packages)/first.pth
	@$(BIN)/python -m pip --python $(S3)/bin/python install --quiet --disable-pip-version-check --constraint envs/constraints-s3.txt \
		'snakemake-storage-plugin-s3' 'snakemake-executor-plugin-kubernetes' 'moto[server]' 'python-dateutil'
	$(S3)/bin/python -m pytest $(TESTS_S3)

# which lines and branches the whole suite runs, in jobs and commands too: takes twice as long as the tests
coverage: $(INSTALLED)
	$(BIN)/coverage erase
	@# what failing tests ran counts too, and they are named
	-$(BIN)/coverage run $(filter-out $(BIN)/python,$(PYTEST))
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered --sort=cover

# known vulnerabilities of what is installed, by pip-audit in an environment of its own: needs the network, and PyPI itself: of what an
# index does not know, pip-audit would only say that it has found nothing (--strict)
audit: $(INSTALLED)
	$(BIN)/python -m pip check
	$(PYTHON) -m venv $(VENV)/audit && $(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	$(VENV)/audit/bin/pip-audit --strict --requirement envs/constraints.txt --no-deps --disable-pip

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

# the docs as a site that works offline: site/index.html
site: $(INSTALLED)
	$(BIN)/python -m mkdocs build --quiet

$(INSTALLED): pyproject.toml envs/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "popleak needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@# some systems ship venv without its own pip
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) 2>/dev/null || { $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }
	@echo "installing into $(VENV): about two minutes"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint envs/constraints.txt --editable '.[cluster,docs,test,torch]'
	@touch $@

clean:
	rm -rf results .snakemake
