# DMRec kit. `make` alone lists the commands. Everything is installed into .venv inside this checkout.
SHELL   := /bin/bash
VENV    := .venv
PY      := $(VENV)/bin/python
STAMP   := $(VENV)/.installed
DATASET ?= toy
SEEDS   ?= 2024 2025 2026
ARGS    ?=

DEFAULT_SUITE := not slow and not browser and not benchmark
IN_A_BROWSER  := browser and not benchmark
REST_OF_SUITE := slow and not browser and not benchmark
# A file's tests stay in one process, but for the few in tests/conftest.py; each process computes with one thread.
PARALLEL      := OMP_NUM_THREADS=1 $(PY) -m pytest -n logical --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup test figures tables lab site sync execute lint check check-browser check-rest benchmark clean

help: ## list the commands
	@echo "usage: make <command> [DATASET=toy] [ARGS=...]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

setup: $(STAMP) ## create .venv and install the kit with the versions of constraints.txt

# Runs again only when what is to be installed changed.
$(STAMP): pyproject.toml constraints.txt
	@[ -x $(PY) ] || { python=; \
	  for candidate in $(PYTHON) python3.11 python3 python3.12 python3.13; do \
	    if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then python=$$candidate; break; fi; \
	  done; \
	  if [ -z "$$python" ]; then \
	    echo "make: no Python 3.11 or newer found (tried $(PYTHON) python3.11 python3 python3.12 python3.13)." >&2; \
	    echo "      Install one, or name it: make setup PYTHON=/path/to/python3.11" >&2; exit 1; fi; \
	  echo "creating $(VENV) with $$($$python --version)"; \
	  $$python -m venv $(VENV) || { rm -rf $(VENV); \
	    echo "make: $$python cannot create a virtual environment (on Debian and Ubuntu: apt install python3-venv)." >&2; \
	    exit 1; }; }
	@echo "installing into $(VENV): minutes the first time, and about 2 GB (torch)"
	$(PY) -m pip install -c constraints.txt -e '.[text,site,dev]'
	@touch $@

test: setup ## the default test suite (under 10 minutes on 2 cores)
	$(PARALLEL) -m "$(DEFAULT_SUITE)" $(ARGS)

figures: setup ## run the notebooks, make their figures and compare them with figures/: DATASET=yelp-xrec ARGS='--only 05 09 --keep'
	$(PY) -m dmrec_core figures --dataset $(DATASET) $(ARGS)

tables: setup ## make Tables 2 and 3: DATASET=yelp-xrec SEEDS="2024 2025" ARGS='--tune --tables 2'
	$(PY) -m dmrec_core tables --dataset $(DATASET) --seeds $(SEEDS) $(ARGS)

# The settings in .jupyter/ come before the user's own and change none of them.
lab: setup ## open JupyterLab on the first notebook; where the port is taken it goes to another and says so
	JUPYTER_CONFIG_PATH="$(CURDIR)/.jupyter$${JUPYTER_CONFIG_PATH:+:$$JUPYTER_CONFIG_PATH}" \
	  $(PY) -m jupyterlab --ServerApp.root_dir="$(CURDIR)" $(ARGS)

site: setup ## build the notebooks as pages that need no kernel, in build/site: open index.html
	$(PY) -m dmrec_core site $(ARGS)

sync: setup ## rebuild every notebooks/*.ipynb from its .py
	$(PY) -m dmrec_core notebooks sync

execute: setup ## run the notebooks whose kept outputs are stale, and keep what they show: ARGS='--only 05'
	$(PY) -m dmrec_core notebooks execute $(ARGS)

lint: setup ## format, lint and notebook pairs
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m dmrec_core notebooks check

check: lint figures test check-browser check-rest benchmark ## everything CI runs

check-browser: setup ## what `make test` leaves out: notebooks and pages in a browser
	$(PARALLEL) -m "$(IN_A_BROWSER)" $(ARGS)

check-rest: setup ## and the slow tests
	$(PARALLEL) -m "$(REST_OF_SUITE)" $(ARGS)

benchmark: setup ## times and memory as ratios against a textbook version, with the machine to itself
	$(PY) -m pytest -m benchmark -s $(ARGS)

clean: ## remove caches, executed notebooks and figures made (keeps .venv, runs and figures/)
	rm -rf build .pytest_cache .ruff_cache .hypothesis
	find dmrec_core tests notebooks -name __pycache__ -prune -exec rm -rf {} +
