# One command per chore; the same ones run in CI (.ci/run).
#   make demo    a first run, with its report      make test   the tests
#   make lint    style and import direction        make types  strict type check
#   make bench   benchmarks (QUICK=1: a short one) make docs   the documentation
#   make wheel-check   the built package, installed elsewhere
#   make pages   writes the pages of docs/ that are made from the code
#   make test-slow     the longer tests that make test leaves out

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
LOCK := requirements/lock.txt
PIP := $(BIN)/python -m pip --disable-pip-version-check
WORKERS ?= 2
SCENARIO ?= quickstart

.PHONY: help demo test test-slow gate lint format types bench wheel-check docs pages links lock clean

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | sed '/^$$/q' | head -7

# --- environment: stamps make repeated calls quick ---------------------------------------------------

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; ok = sys.version_info >= (3, 11); ok or sys.stderr.write("scopedrift needs Python 3.11 or newer; %s is %d.%d. Name another one: make PYTHON=python3.12 ...\n" % (sys.executable, *sys.version_info[:2])); sys.exit(not ok)'
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) cannot make a virtual environment (on Debian: apt install python3-venv)" >&2; exit 1; }
	@touch $@

$(VENV)/.runtime: $(VENV)/.made pyproject.toml $(LOCK)
	@echo "installing scopedrift into $(VENV) (once; takes a minute or two)"
	@$(PIP) install --quiet --constraint $(LOCK) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml $(LOCK)
	@echo "installing scopedrift with its tests and checks into $(VENV) (once; takes a minute or two)"
	@$(PIP) install --quiet --constraint $(LOCK) --editable '.[dev]'
	@touch $(VENV)/.runtime $@

# Tools that read sources cannot follow the mapping of folders to packages; a folder of links on their path shows it.
links:
	@rm -rf .types && mkdir -p .types/scopedrift
	@ln -s $(addprefix ../../,scenarios simulator detectors reports experiments $(wildcard experiments/public-api/*)) .types/scopedrift

# --- chores ------------------------------------------------------------------------------------------

demo: $(VENV)/.runtime
	@$(BIN)/scopedrift run $(SCENARIO)

test: $(VENV)/.dev
	@$(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

test-slow: $(VENV)/.dev
	@$(BIN)/python -m pytest -n $(WORKERS) -m slow $(PYTEST_ARGS)

lint: $(VENV)/.dev links
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@PYTHONPATH=.types $(BIN)/lint-imports

format: $(VENV)/.dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: $(VENV)/.dev links
	@$(BIN)/mypy

bench: $(VENV)/.dev
	@$(BIN)/python benchmarks/run.py $(if $(QUICK),--quick)

# This repository's own gate: `make gate UPDATE=1` writes the baseline anew.
gate: $(VENV)/.dev
	@$(BIN)/scopedrift gate quick --baseline tests/gate/quick.yaml --jobs $(WORKERS) --out build/gate $(if $(UPDATE),--update)

docs: $(VENV)/.dev links
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

# docs/coverage.md and the table of targets in docs/realism.md; tests fail while they are stale.
pages: $(VENV)/.dev
	@$(BIN)/python docs/pages.py

# Builds the package, installs it into a fresh environment, and uses it from another folder.
wheel-check: $(VENV)/.made
	@rm -rf build
	@mkdir -p build
	@$(PIP) wheel --verbose --no-deps --wheel-dir build/wheel . > build/wheel.log 2>&1 || { cat build/wheel.log >&2; exit 1; }
	@if grep -i -A 3 'would be ignored' build/wheel.log >&2; then exit 1; fi
	@$(PYTHON) -m venv build/venv
	@build/venv/bin/python -m pip --disable-pip-version-check install --quiet --constraint $(LOCK) build/wheel/*.whl
	@mkdir -p build/elsewhere
	@cd build/elsewhere && ../venv/bin/scopedrift list scenarios
	@cd build/elsewhere && ../venv/bin/scopedrift run $(SCENARIO) --seeds 1 --detector first-seen --detector never --out result --no-track
	@test -s build/elsewhere/result/report.html
	@echo "the wheel works outside the repository"

lock: ## resolves the newest versions that fit pyproject.toml and writes them down
	@rm -rf build/lock && $(PYTHON) -m venv build/lock
	@build/lock/bin/python -m pip --disable-pip-version-check install --quiet --editable '.[dev]'
	@{ sed -n '/^#/p' $(LOCK); build/lock/bin/python -m pip --disable-pip-version-check freeze --exclude-editable --exclude pip --exclude setuptools; } > build/lock.txt
	@mv build/lock.txt $(LOCK)

clean:
	@rm -rf build .types .pytest_cache .mypy_cache .ruff_cache .hypothesis
