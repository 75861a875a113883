# Homevisits. `make demo` and `make test` need python3 (3.11 or newer) and nothing else; they install everything else.
PYTHON ?= python3
PORT   ?= 8077
RESET  ?=
ONLY   ?=
BIN    := .venv/bin
# Number of test processes. `make test TESTS=tests/pay` runs only some of the tests.
WORKERS ?= 2
TESTS   ?= tests
# `make test COVERAGE=1` measures branch coverage and checks it.
COVERAGE ?=
COVERAGE_REPORT := build/coverage.json
PYTEST   = $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

# Use the pip of $(PYTHON) to install into .venv if it supports --python (22.3 or newer), to save copying pip there.
PIP     = $(if $(wildcard $(BIN)/pip),$(BIN)/python -m pip,$(PYTHON) -m pip --python $(BIN)/python)
PIP_OPTIONS := --quiet --disable-pip-version-check --no-deps --no-compile

.DEFAULT_GOAL := help
.PHONY: help demo test soak check format bench mutants lock wheel map catalogs pictures clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

demo: .venv/.runtime  ## run a sample district in the browser: make demo [RESET=1] [PORT=8077]
	@$(BIN)/python -m homevisits demo --port $(PORT) $(if $(RESET),--reset)

test: .venv/.development  ## run all tests, on SQLite and PostgreSQL
ifeq ($(COVERAGE),)
	@$(PYTEST) $(TESTS)
else
	@$(PYTEST) -m measured --cov --cov-report= --cov-report=json:$(COVERAGE_REPORT) $(TESTS)
	@$(BIN)/python -m tests.architecture.coverage_gate $(COVERAGE_REPORT)
	@$(PYTEST) -m "not measured" $(TESTS)
endif

soak: .venv/.development  ## run the long tests: 200 killed workers on each database, 10,000 texts with 8 processes, 50 a second
	@TESTS_SOAK=1 $(BIN)/python -m pytest -q -p no:randomly tests/faults/test_killed_workers.py \
	  tests/faults/test_sender_faults.py

check: .venv/.development  ## check format, lint, types, import contracts and migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -o addopts="--import-mode=importlib" -p no:randomly tests/test_templates.py \
	  tests/architecture tests/migrations

format: .venv/.development  ## format the code and sort the imports
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/.development  ## compare our speed with other implementations: make bench [ONLY=name]
	@$(BIN)/python -m tests.benchmarks $(ONLY)

mutants: .venv/.development  ## mutation tests: change the pure modules and report changes that no test detects
	$(BIN)/mutmut run

lock: .venv/.development  ## update the lock files from the installed packages
	$(BIN)/python .ci/lock.py

wheel: .venv/.development  ## build the wheel in build/dist
	$(BIN)/python -m build --wheel --no-isolation --outdir build/dist .

map: .venv/.development  ## update the list of modules in homevisits/README.md
	$(BIN)/python -m tests.architecture.package_map

catalogs: .venv/.development  ## update the translation catalogs from the code and the templates
	@mkdir -p build
	$(BIN)/pybabel -q extract -F pyproject.toml -k _l --add-location=file -o build/messages.pot .
	$(BIN)/pybabel -q update -i build/messages.pot -d homevisits/translations -w 120 --no-fuzzy-matching \
	  --ignore-obsolete --ignore-pot-creation-date

pictures: .venv/.development  ## update the README's pictures (needs Chromium)
	$(BIN)/python .ci/pictures.py

clean:  ## remove all generated files except the demo's data
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Homevisits needs Python 3.11 or newer; $(PYTHON) is older or missing." >&2; \
	    echo "Choose another Python: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -m pip --python $(PYTHON) --version >/dev/null 2>&1 && lean=--without-pip; \
	  $(PYTHON) -m venv $$lean .venv || { rm -rf .venv; $(PYTHON) -m virtualenv --quiet .venv 2>/dev/null; } || \
	  { rm -rf .venv; echo "This Python cannot create virtual environments." >&2; \
	    echo "On Debian and Ubuntu:  apt-get install python3-venv   (then run make again)" >&2; exit 1; }

# These empty files mark the packages of a lock file as installed, so that make installs again only when the lock changes.
# Packages are not compiled ahead of use, because only a small part of them is ever imported.
.venv/.runtime: requirements.lock pyproject.toml | .venv/bin/python
	@echo "Installing the packages that Homevisits needs (only once) ..."
	@$(PIP) install $(PIP_OPTIONS) -r requirements.lock
	@touch $@

.venv/.development: requirements-dev.lock .venv/.runtime
	@echo "Installing the packages that the tests need (only once) ..."
	@$(PIP) install $(PIP_OPTIONS) -r requirements-dev.lock
	@$(PIP) install $(PIP_OPTIONS) --no-build-isolation --editable .
	@touch $@
