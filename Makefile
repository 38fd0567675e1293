# One command per chore; the same ones run in CI (.ci/run).
#   make demo    a first run, with its report      make test   the tests
#   make lint    style and import direction        make types  strict type check
#   make bench   benchmarks (QUICK=1: a short one) make docs   the documentation
#   make wheel-check   the built package, installed elsewhere (test-slow does it, too)
#   make pages   writes the pages of docs/ that are made from the code
#   make test-slow     the longer tests that make test leaves out
#   make audits        audits of all library scenarios, which take long
#   make torture       tries to break it, and writes the table of docs/reliability.md
#   make test-lowest   the tests with the oldest versions that are supported
#   make lock    pins the versions (UPGRADE=1: the newest)   make sbom  lists them as CycloneDX

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
# Tests start hundreds of processes; without bytecode on disk, each would compile the same sources again.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
LOCK := requirements/lock.txt
RUNTIME := requirements/runtime.txt
PIP := $(BIN)/python -m pip --disable-pip-version-check
HASHED := install --quiet --require-hashes --no-deps -r
OURS := install --quiet --no-deps --no-build-isolation
WORKERS ?= 2
SCENARIO ?= quickstart

.PHONY: help demo test test-slow audits torture gate lint format types bench wheel-check docs pages links lock test-lowest sbom clean

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | sed '/^$$/q' | head -11

# --- environment: stamps make repeated calls quick ---------------------------------------------------

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; ok = sys.version_info >= (3, 11); ok or sys.stderr.write("scopedrift needs Python 3.11 or newer; %s is %d.%d. Name another one: make PYTHON=python3.12 ...\n" % (sys.executable, *sys.version_info[:2])); sys.exit(not ok)'
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) cannot make a virtual environment (on Debian: apt install python3-venv)" >&2; exit 1; }
	@touch $@

$(VENV)/.runtime: $(VENV)/.made pyproject.toml $(RUNTIME)
	@echo "installing scopedrift into $(VENV) (once; takes a minute or two)"
	@$(PIP) $(HASHED) $(RUNTIME)
	@$(PIP) $(OURS) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml $(LOCK)
	@echo "installing scopedrift with its tests and checks into $(VENV) (once; takes a minute or two)"
	@$(PIP) $(HASHED) $(LOCK)
	@$(PIP) $(OURS) --editable .
	@touch $(VENV)/.runtime $@

# Tools that read sources cannot follow the mapping of folders to packages; a folder of links on their path shows it.
links:
	@rm -rf .types && mkdir -p .types/scopedrift
	@ln -s $(addprefix ../../,scenarios simulator detectors reports experiments $(wildcard experiments/public-api/*)) .types/scopedrift

# --- chores ------------------------------------------------------------------------------------------

demo: $(VENV)/.runtime
	@$(BIN)/scopedrift run $(SCENARIO)

test: $(VENV)/.dev
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

test-slow: $(VENV)/.dev
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m slow $(PYTEST_ARGS)

# Kills, hostile detectors and hostile files by the hundred; FUZZ: seconds for each reader, besides.
TORTURES = tests/torture tests/detectors/isolation/test_reach.py tests/experiments/evaluation/test_neighbours.py \
	tests/simulator/records/reading/test_growth.py
FUZZ ?= 20

torture: $(VENV)/.dev
	@mkdir -p build
	@code=0; FUZZ=$(FUZZ) $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup -m "" --junitxml build/torture.xml \
		$(TORTURES) $(PYTEST_ARGS) || code=$$?; \
	$(BIN)/python tests/torture/table.py docs/reliability.md build/torture.xml; exit $$code

# Whether the scenarios of the library are worth measuring on; about an hour.
audits: $(VENV)/.dev
	@$(BIN)/python -m pytest -n $(WORKERS) -m audits $(PYTEST_ARGS)

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

# This repository's own gate: `make gate UPDATE=1` writes a new baseline.
gate: $(VENV)/.dev
	@$(BIN)/scopedrift gate quick --baseline tests/gate/quick.yaml --jobs $(WORKERS) --out build/gate $(if $(UPDATE),--update)

docs: $(VENV)/.dev links
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

# docs/coverage.md and the table of targets in docs/realism.md; tests fail while they are stale.
pages: $(VENV)/.dev
	@$(BIN)/python docs/pages.py

# Installs the package into a fresh environment, from a checkout and from its wheel, and uses it from another folder.
wheel-check: $(VENV)/.dev
	@$(BIN)/python -m pytest -q -m slow tests/test_wheel.py $(PYTEST_ARGS)

# Resolves the versions that fit pyproject.toml, for every system and Python from 3.11 on (UPGRADE=1: the newest), with hashes.
RESOLVE = build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header

lock:
	@rm -rf build/lock && $(PYTHON) -m venv build/lock
	@build/lock/bin/python -m pip --disable-pip-version-check install --quiet uv
	@echo 'setuptools>=77' > build/lock/build.in
	@sed '/^ \|^#/d; s/ \\$$//' $(if $(UPGRADE),/dev/null,$(LOCK)) > build/lock/kept.txt
	@$(RESOLVE) pyproject.toml build/lock/build.in --extra dev --constraint build/lock/kept.txt -o build/lock/all.txt
	@$(RESOLVE) pyproject.toml build/lock/build.in --constraint build/lock/all.txt -o build/lock/runtime.txt
	@{ sed -n '/^#/p' $(LOCK); cat build/lock/all.txt; } > build/lock/new.txt && mv build/lock/new.txt $(LOCK)
	@{ sed -n '/^#/p' $(RUNTIME); cat build/lock/runtime.txt; } > build/lock/new.txt && mv build/lock/new.txt $(RUNTIME)

# The tests with the lowest versions that pyproject.toml admits, in an environment of their own.
test-lowest: $(VENV)/.made
	@rm -rf build/lowest && $(PYTHON) -m venv build/lowest
	@build/lowest/bin/python -m pip --disable-pip-version-check install --quiet uv
	@build/lowest/bin/uv pip install --quiet --python build/lowest/bin/python --resolution lowest-direct --editable '.[dev]'
	@build/lowest/bin/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

# What scopedrift depends on, as a CycloneDX list: build/sbom.json.
sbom: $(VENV)/.made
	@mkdir -p build && test -x build/sbom/bin/cyclonedx-py || { $(PYTHON) -m venv build/sbom && build/sbom/bin/python -m pip --disable-pip-version-check install --quiet cyclonedx-bom; }
	@build/sbom/bin/cyclonedx-py requirements $(RUNTIME) --output-format JSON --output-file build/sbom.json
	@echo build/sbom.json

clean:
	@rm -rf build .types .pytest_cache .mypy_cache .ruff_cache .hypothesis
