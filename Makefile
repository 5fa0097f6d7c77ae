# Each target makes .venv and installs what it needs by itself; after the first time, offline.
# Beside it, another Python: make PYTHON=python3.13 VENV=.venv-3.13 test
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
FLOWER_PIP = $(FLOWER_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c $(FLOWER)/constraints.txt
STAMP := $(VENV)/installed
FUZZ_STAMP := $(VENV)/installed-fuzz
FLOWER := integrations/quorate_flower
FLOWER_VENV := .venv-flower
FLOWER_STAMP := $(FLOWER_VENV)/installed
FLOWER_SLOW_STAMP := $(FLOWER_VENV)/installed-slow
FLOWER_APP_VENV := .venv-flower-app
FLOWER_APP_STAMP := $(FLOWER_APP_VENV)/installed
FLOWER_APP_PIP = $(FLOWER_APP_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c $(FLOWER)/constraints.txt
NVFLARE := integrations/quorate_nvflare
NVFLARE_VENV := .venv-nvflare
NVFLARE_STAMP := $(NVFLARE_VENV)/installed
NVFLARE_PIP = $(NVFLARE_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c $(NVFLARE)/constraints.txt
DEMO_FLAGS ?=
# More than there are cores: many tests wait for a process or for the disk.
WORKERS ?= --numprocesses 4
TESTS ?=
FUZZ_RUNS ?= 1000000
FUZZ_FLAGS ?=

# Tests start many processes, which read modules that are compiled already.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test coverage test-slow test-browser test-flower test-flower-slow test-flower-app test-nvflare \
	test-nvflare-slow fuzz bench lint format lock lock-flower lock-nvflare clean
.DEFAULT_GOAL := help

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

# The stamp is written last, and an environment whose pip does not run is made anew: an installation
# that was cut off anywhere is done again.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "quorate needs Python 3.11 or later: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(PIP) setuptools wheel
	$(PIP) --no-build-isolation -e '.[dev,dask,direct,objects,s3-server]'
	touch $@

demo: $(STAMP)  ## Five hospitals and an aggregator, from ceremony to model (DEMO_FLAGS=--short)
	$(BIN)/python -m examples.demo $(DEMO_FLAGS)

# A file of tests at a time: what a module makes once is made once. In our order (tests/conftest.py).
test: $(STAMP)  ## The fast tests (TESTS="tests/keyshare tests/field": some of them)
	$(BIN)/python -m pytest $(WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS)

coverage: $(STAMP)  ## The fast tests, and that they run as many lines as before (pyproject.toml has the floor)
	rm -f .coverage*
	$(BIN)/python -m coverage run -m pytest $(WORKERS) --dist loadfile --no-loadscope-reorder
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --skip-covered --show-missing

test-slow: $(STAMP)  ## The slow tests
	$(BIN)/python -m pytest -m slow $(WORKERS) --dist worksteal

# Nothing else needs atheris, which newer Pythons may have to wait for.
$(FUZZ_STAMP): $(STAMP)
	@$(PIP) --only-binary atheris --no-build-isolation -e '.[fuzz]' || \
		{ echo "make fuzz needs atheris, and it cannot be installed for $$($(BIN)/python --version): make clean, then make PYTHON=python3.11 fuzz" >&2; exit 1; }
	touch $@

fuzz: $(FUZZ_STAMP)  ## Every decoder of network and file input (FUZZ_RUNS=1000000 each)
	$(BIN)/python -m tests.fuzz --runs $(FUZZ_RUNS) $(FUZZ_FLAGS)

test-browser: $(STAMP)  ## The report, in Chromium
	$(BIN)/python -m pytest -m browser

# Flower pins versions of its own, which our lock does not have. So each environment with it has its lock.
$(FLOWER_STAMP): $(FLOWER)/pyproject.toml $(FLOWER)/constraints.txt integrations/quorate_client/pyproject.toml
	$(FLOWER_VENV)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(FLOWER_VENV)
	$(FLOWER_PIP) --upgrade setuptools wheel
	$(FLOWER_PIP) --no-build-isolation -e integrations/quorate_client -e '$(FLOWER)[dev]'
	touch $@

test-flower: $(STAMP) $(FLOWER_STAMP)  ## quorate_flower: types and tests, with Flower and agents
	cd $(FLOWER) && ../../$(FLOWER_VENV)/bin/mypy
	cd $(FLOWER) && ../../$(FLOWER_VENV)/bin/python -m pytest

# PyTorch takes longer to install than the tests of numpy take.
$(FLOWER_SLOW_STAMP): $(FLOWER_STAMP)
	$(FLOWER_PIP) --no-build-isolation -e '$(FLOWER)[dev,slow]'
	touch $@

test-flower-slow: $(STAMP) $(FLOWER_SLOW_STAMP)  ## The same with PyTorch, and behind a SuperLink
	cd $(FLOWER) && ../../$(FLOWER_VENV)/bin/python -m pytest -m slow

# quorate and Flower in one environment, as its extra has it.
$(FLOWER_APP_STAMP): pyproject.toml $(FLOWER)/constraints.txt
	$(FLOWER_APP_VENV)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(FLOWER_APP_VENV)
	$(FLOWER_APP_PIP) --upgrade setuptools wheel
	$(FLOWER_APP_PIP) --no-build-isolation -e '.[dev,flower]'
	touch $@

test-flower-app: $(FLOWER_APP_STAMP)  ## train --app with the folders of Flower apps, without a SuperLink
	$(FLOWER_APP_VENV)/bin/python -m pytest -m flower tests/participant/flower

# NVFlare too is never in the environment of a hospital's agent.
$(NVFLARE_STAMP): $(NVFLARE)/pyproject.toml $(NVFLARE)/constraints.txt integrations/quorate_client/pyproject.toml
	$(NVFLARE_VENV)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(NVFLARE_VENV)
	$(NVFLARE_PIP) --upgrade setuptools wheel
	$(NVFLARE_PIP) --no-build-isolation -e integrations/quorate_client -e '$(NVFLARE)[dev]'
	touch $@

test-nvflare: $(STAMP) $(NVFLARE_STAMP)  ## quorate_nvflare: types and tests, with NVFlare and agents
	cd $(NVFLARE) && ../../$(NVFLARE_VENV)/bin/mypy
	cd $(NVFLARE) && ../../$(NVFLARE_VENV)/bin/python -m pytest

test-nvflare-slow: $(STAMP) $(NVFLARE_STAMP)  ## The same with PyTorch, and with NVFlare's startup kits
	cd $(NVFLARE) && ../../$(NVFLARE_VENV)/bin/python -m pytest -m slow

bench: $(STAMP)  ## The benchmarks, with other packages beside ours; writes docs/benchmarks.md
	$(BIN)/python -m benchmarks report

lint: $(STAMP)  ## Format, rules and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(STAMP)  ## Put everything in form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Without hashes: PyTorch has another file for each kind of machine, and ours is no file at all.
lock: $(STAMP)  ## Write constraints.txt: pins that still fit stay; delete a line to take the newest
	$(PIP) --dry-run --ignore-installed --no-build-isolation --report - '.[dev,fuzz,postgresql,dask,direct,objects,s3-server]' setuptools wheel | \
		$(BIN)/python .ci/lock.py constraints.txt

lock-flower: $(FLOWER_STAMP)  ## The same for quorate_flower, and for quorate beside Flower
	$(FLOWER_PIP) --dry-run --ignore-installed --no-build-isolation --report - \
		-e integrations/quorate_client -e '$(FLOWER)[dev,slow]' -e '.[dev,flower]' setuptools wheel | \
		$(FLOWER_VENV)/bin/python .ci/lock.py $(FLOWER)/constraints.txt

lock-nvflare: $(NVFLARE_STAMP)  ## The same for quorate_nvflare
	$(NVFLARE_PIP) --dry-run --ignore-installed --no-build-isolation --report - \
		-e integrations/quorate_client -e '$(NVFLARE)[dev]' setuptools wheel | \
		$(NVFLARE_VENV)/bin/python .ci/lock.py $(NVFLARE)/constraints.txt

clean:  ## Remove what make made (not runs/)
	rm -rf .venv* .coverage* build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
