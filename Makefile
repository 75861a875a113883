# Homevisits. `make demo` and `make test` need python3 (3.11 or newer) and nothing else; the rest they fetch.
PYTHON ?= python3
PORT   ?= 8077
RESET  ?=
ONLY   ?=
BIN    := .venv/bin
# Two processes at a time: what a small machine has. `make test TESTS=tests/pay` runs a part.
WORKERS ?= 2
TESTS   ?= tests

# The pip of $(PYTHON) installs into .venv where it is new enough (22.3): it need not be copied there first.
PIP     = $(if $(wildcard $(BIN)/pip),$(BIN)/python -m pip,$(PYTHON) -m pip --python $(BIN)/python)
QUICKLY := --quiet --disable-pip-version-check --no-deps --no-compile

.DEFAULT_GOAL := help
.PHONY: help demo test soak check format bench mutants lock wheel map catalogs pictures clean

help:  ## what can be made
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

demo: .venv/.runtime  ## a sample district in the browser: make demo [RESET=1] [PORT=8077]
	@$(BIN)/python -m homevisits demo --port $(PORT) $(if $(RESET),--reset)

test: .venv/.development  ## every test, on SQLite and PostgreSQL
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(TESTS)

soak: .venv/.development  ## the long run: workers killed 200 times on each engine, 10,000 texts among 8 processes
	@TESTS_SOAK=1 $(BIN)/python -m pytest -q -p no:randomly tests/faults/test_killed_workers.py

check: .venv/.development  ## format, lint, types, import contracts, migrations equal models
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -o addopts="--import-mode=importlib" -p no:randomly tests/test_house.py tests/test_templates.py \
	  tests/architecture tests/migrations

format: .venv/.development  ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/.development  ## ours against a rival, as ratios: make bench [ONLY=name]
	@$(BIN)/python -m tests.benchmarks $(ONLY)

mutants: .venv/.development  ## break the pure rooms on purpose: which changes does no test notice?
	$(BIN)/mutmut run

lock: .venv/.development  ## write the pins anew from what is installed
	$(BIN)/python .ci/lock.py

wheel: .venv/.development  ## build/dist/homevisits-*.whl
	$(BIN)/python -m build --wheel --no-isolation --outdir build/dist .

map: .venv/.development  ## write the list of modules in homevisits/README.md anew
	$(BIN)/python -m tests.architecture.package_map

catalogs: .venv/.development  ## update the translation catalogs from the code and the templates
	@mkdir -p build
	$(BIN)/pybabel -q extract -F pyproject.toml -k _l --add-location=file -o build/messages.pot .
	$(BIN)/pybabel -q update -i build/messages.pot -d homevisits/translations -w 120 --no-fuzzy-matching \
	  --ignore-obsolete --ignore-pot-creation-date

pictures: .venv/.development  ## take the README's pictures anew (needs Chromium)
	$(BIN)/python .ci/pictures.py

clean:  ## remove what was made here, but for the demo's data
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Homevisits needs Python 3.11 or newer; $(PYTHON) is older or missing." >&2; \
	    echo "Name another with: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -m pip --python $(PYTHON) --version >/dev/null 2>&1 && lean=--without-pip; \
	  $(PYTHON) -m venv $$lean .venv || { rm -rf .venv; $(PYTHON) -m virtualenv --quiet .venv 2>/dev/null; } || \
	  { rm -rf .venv; echo "This Python cannot make virtual environments." >&2; \
	    echo "On Debian and Ubuntu:  apt-get install python3-venv   (then run make again)" >&2; exit 1; }

# A stamp stands for what its lock file names being installed: nothing is fetched again until the lock changes.
# Nothing is compiled ahead: Python compiles what it imports, which is a small part of what is installed.
.venv/.runtime: requirements.lock pyproject.toml | .venv/bin/python
	@echo "Installing what Homevisits needs (once) ..."
	@$(PIP) install $(QUICKLY) -r requirements.lock
	@touch $@

.venv/.development: requirements-dev.lock .venv/.runtime
	@echo "Installing what its tests need (once) ..."
	@$(PIP) install $(QUICKLY) -r requirements-dev.lock
	@$(PIP) install $(QUICKLY) --no-build-isolation --editable .
	@touch $@
