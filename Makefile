# Everything a person or a machine does in this repository. On a fresh machine Python 3.11 to 3.13
# and make are enough: each target sets up what it needs, in .venv, and only when a lock changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Wheels only, each with the hash that was locked: nothing is built, nothing else gets in.
INSTALL := install --no-compile --only-binary :all: --require-hashes --requirement
# The package itself, from its source, with the build tools of the lock.
INSTALL_SELF := install --no-deps --no-build-isolation --editable .

LOCKS := requirements/serve.txt requirements/demo.txt requirements/dev.txt
CLIENTS := mlserver kserve objects
SOURCES := src tests bench tools

# What can be given on the command line:
#   make demo DEMO=--once            ends by itself
#   make test TESTS=tests/journal    a part of the tests;  PYTEST='-n 0 -x' other options
#   make bench BENCH=short           seconds, for correctness;  BENCH=full measures
DEMO ?=
TESTS ?= tests
PYTEST ?= -n logical
BENCH ?= full

.PHONY: help demo test check check-style check-types check-arrows check-tidy format lock bench docs \
  clients clean
.DEFAULT_GOAL := help

help:  ## Print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.demo  ## Serve, release, refuse, roll back and recall a small model, then leave the server up (DEMO=--once ends)
	$(BIN)/mainstay demo $(DEMO)

test: $(VENV)/.dev  ## Run the tests
	$(BIN)/python -m pytest $(PYTEST) $(TESTS)

check: check-style check-types check-arrows check-tidy  ## Check style, types, arrows between rooms, sizes, words, documents

check-style: $(VENV)/.dev
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

check-types: $(VENV)/.dev
	$(BIN)/pyright --pythonpath $(BIN)/python

check-arrows: $(VENV)/.dev
	$(BIN)/lint-imports

# The documents are among what it checks.
check-tidy: $(VENV)/.dev
	$(BIN)/python -m pytest --quiet -n 0 tests/tidy

format: $(VENV)/.dev  ## Put the code into its one form
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

bench: $(VENV)/.dev  ## Measure serving against other servers (BENCH=short: seconds, correctness only)
	$(BIN)/python bench/serve.py $(if $(filter short,$(BENCH)),--short)
	$(BIN)/python bench/decide.py $(if $(filter short,$(BENCH)),--short)
	$(BIN)/python bench/watch.py $(if $(filter short,$(BENCH)),--short)

docs: $(VENV)/.dev  ## Write the reference pages from the code
	$(BIN)/python tools/docs.py

clients: $(CLIENTS:%=.venv-clients/%/.made)  ## Environments of the client libraries, and of the object server, that the tests run

# uv writes the locks; it is itself locked, and installed apart from everything else.
COMPILE := .venv-lock/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 \
  --only-binary :all: --generate-hashes --no-emit-index-url --no-header
lock: .venv-lock/.made  ## Write the lock files anew (LOCK=--upgrade takes the newest versions)
	$(COMPILE) $(LOCK) --group lock --output-file requirements/lock.txt
	$(COMPILE) $(LOCK) pyproject.toml --extra pack --extra postgres --extra alerts --extra otel --extra dev \
	  --group build --output-file requirements/dev.txt
	$(COMPILE) pyproject.toml --extra pack --group build \
	  --constraint requirements/dev.txt --output-file requirements/demo.txt
	$(COMPILE) pyproject.toml --group build \
	  --constraint requirements/dev.txt --output-file requirements/serve.txt
	$(foreach client,$(CLIENTS),$(COMPILE) $(LOCK) requirements/clients-$(client).in \
	  --output-file requirements/clients-$(client).txt &&) true

clean:  ## Remove every environment, cache and build
	rm -rf $(VENV) .venv-lock .venv-clients .venv-peers .venv-demo build dist .pytest_cache .ruff_cache \
	  .hypothesis .import_linter_cache demo-workspace

# A changed lock makes a new environment, so that nothing of the old one is left in it.
$(VENV)/.made: $(LOCKS)
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo: $(VENV)/.made pyproject.toml
	$(PIP) $(INSTALL) requirements/demo.txt
	$(PIP) $(INSTALL_SELF)
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml
	$(PIP) $(INSTALL) requirements/dev.txt
	$(PIP) $(INSTALL_SELF)
	@touch $@ $(VENV)/.demo

.venv-clients/%/.made: requirements/clients-%.txt
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip --disable-pip-version-check --quiet $(INSTALL) $<
	@touch $@

.venv-lock/.made: requirements/lock.txt
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip --disable-pip-version-check --quiet $(INSTALL) $<
	@touch $@
