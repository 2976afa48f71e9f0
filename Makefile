# `make demo` and `make test` set up everything they need in .venv; only Python >= 3.11, make and git must be there.
PYTHON ?= python3
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
# Results do not depend on it, but two test processes with all cores each would only fight.
export OMP_NUM_THREADS ?= 2
# Test processes, one thread each; a file's tests stay together, and the many short doctests come last, so that
# no process ends long before the other.
WORKERS ?= auto

.PHONY: demo test test-all fuzz lint bench wheel clean

# The last install: the weights behind matcher-ge2e lie inside resemblyzer's pure-Python wheel, whose own
# dependencies are not needed; without it `matcher` serves. Windows: run make from Git Bash.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(0 if sys.version_info >= (3, 11) else 'voiceface needs Python 3.11 or newer; set PYTHON=/path/to/python3.11')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[train,synthetic,gallery,report]" --group test --group lint
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps "resemblyzer==0.1.4"
	$(BIN)/python -c "open('$(VENV)/.installed', 'w').close()"

# make demo VOICE=voice.wav FACES="a.jpg 'b c.jpg' photos/": by the environment, so that no shell reads the names.
demo: $(VENV)/.installed
	$(BIN)/python -m voiceface.demo $(if $(VOICE),--voice "$$VOICE") $(if $(FACES),--faces "$$FACES")

test: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-all: $(VENV)/.installed
	$(BIN)/python -m pytest -m "slow or not slow"

# Altered files of every kind, as many as fit into MINUTES; the same SEED gives the same ones.
INPUTS ?= 10000
SEED ?= 0
MINUTES ?= 20
fuzz: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz.py --inputs $(INPUTS) --seed $(SEED) --minutes $(MINUTES) --keep fuzz-faults

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/run.py

wheel: $(VENV)/.installed
	$(BIN)/python -m build --wheel

clean:
	rm -rf $(VENV) build dist
