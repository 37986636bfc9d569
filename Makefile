# make lab   everything set up, then JupyterLab on the lectures
# make test  everything set up, then all checks
# The first call installs into .venv (once); later calls start at once.

# The first Python new enough; where none is, .ci/setup.py says so.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { echo "$$p"; exit; }; done; command -v python3 || echo python3)
BIN := .venv/bin
WORKERS ?= 2
# One thread a test process: two workers would fight for the same cores.
TEST_ENV := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
ROOT_FLAG := $(if $(filter 0,$(shell id -u)),--allow-root)

.DEFAULT_GOAL := help
.PHONY: help setup lab test lint notebooks benchmarks pins clean

help:
	@echo "make lab         set up, then open JupyterLab on the lectures"
	@echo "make test        set up, then run every check (WORKERS=2)"
	@echo "make notebooks   run the lectures again and write their outputs"
	@echo "make benchmarks  measure against the peers and print the README's tables"
	@echo "make pins        resolve requirements.txt anew from pyproject.toml"
	@echo "make clean       remove the environment and caches"

setup:
	@"$(PYTHON)" .ci/setup.py

# The whole course is served, not only the first lecture's folder. The environment's programs are on
# the path of Lab's terminal too: a login shell, which it would start, sets its own.
lab: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/jupyter lab $(ROOT_FLAG) --ServerApp.root_dir="$(CURDIR)" \
		--ServerApp.terminado_settings="{'shell_command': ['$${SHELL:-/bin/bash}']}" \
		--LabApp.default_url=/lab/tree/lectures/00_welcome/welcome.ipynb $(LAB_ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(TEST_ENV) $(BIN)/pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

notebooks: setup
	$(BIN)/python -m tests.notebooks.build

benchmarks: setup
	$(BIN)/python -m tests.benchmarks

pins: setup
	$(BIN)/uv pip compile pyproject.toml --extra test --universal --python-version 3.11 \
		--no-header --no-annotate --no-emit-index-url --upgrade --output-file requirements.txt

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
