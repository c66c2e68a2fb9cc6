# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NIWAKI_DATA ?=
export NIWAKI_DATA

.PHONY: help setup demo test check format lint bench docs clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Niwaki needs Python 3.11 or newer, and $(PYTHON) is older. Run: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "$(PYTHON) could not make a virtual environment. On Debian or Ubuntu install it as root: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group test --group lint
	@touch $(STAMP)

setup: $(STAMP)  ## make the virtual environment and install everything

demo: $(STAMP)  ## run the main job on the built-in simulated example, report included
	$(BIN)/niwaki demo --out demo --force

test: $(STAMP)  ## run the tests, on one thread per worker
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

check: $(STAMP) lint test  ## what CI runs: format, lint, types, layers, tests

lint: $(STAMP)  ## format check, lint, types, layer contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)  ## format the code and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)  ## quick forms of the speed benchmarks
	$(BIN)/python benchmarks/step.py --quick
	$(BIN)/python benchmarks/attribution.py --quick

docs: $(STAMP)  ## run every example and doctest of the documentation
	$(BIN)/python -m pytest tests/docs tests/architecture

clean:  ## remove the environment and everything generated
	rm -rf $(VENV) build dist demo src/*.egg-info .pytest_cache .ruff_cache .mypy_cache
