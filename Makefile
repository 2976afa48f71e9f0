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

.PHONY: demo test test-all docs fuzz hashes lint bench wheel clean

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PINNED := -c constraints.txt --build-constraint constraints.txt
COMMA := ,
EXTRAS := train,synthetic,report,app,hub
# HASHES=1 installs only files whose digests are in requirements-hashed.txt; torch apart, whose build (CPU, CUDA) is a choice.
HASHES ?=
# The last install: the weights behind matcher-ge2e lie inside resemblyzer's pure-Python wheel, whose own
# dependencies are not needed; without it `matcher` serves. Windows: run make from Git Bash.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(0 if sys.version_info >= (3, 11) else 'voiceface needs Python 3.11 or newer; set PYTHON=/path/to/python3.11')"
	$(PYTHON) -m venv $(VENV)
	$(PIP) -c constraints.txt "pip>=25.3"
	$(if $(HASHES),$(PIP) $(PINNED) --no-deps --require-hashes -r requirements-hashed.txt)
	$(PIP) $(PINNED) -e ".[$(EXTRAS)]" --group test --group lint
	-$(PIP) --no-deps "resemblyzer==0.1.4"
	$(BIN)/python -c "open('$(VENV)/.installed', 'w').close()"

# make demo VOICE=voice.wav FACES="a.jpg 'b c.jpg' photos/": by the environment, so that no shell reads the names.
demo: $(VENV)/.installed
	$(BIN)/python -m voiceface.demo $(if $(VOICE),--voice "$$VOICE") $(if $(FACES),--faces "$$FACES")

# Dozens of processes are started by the tests: each would compile the package anew without stored bytecode.
test: $(VENV)/.installed
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-all: $(VENV)/.installed
	$(BIN)/python -m pytest -m "slow or not slow"

# The site, in site/: `.venv/bin/mkdocs serve` shows it while it is written.
$(VENV)/.docs-installed: $(VENV)/.installed
	$(PIP) $(PINNED) --group docs
	$(BIN)/python -c "open('$(VENV)/.docs-installed', 'w').close()"

docs: $(VENV)/.docs-installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# Altered files of every kind, as many as fit into MINUTES; the same SEED gives the same ones.
INPUTS ?= 10000
SEED ?= 0
MINUTES ?= 20
fuzz: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz.py --inputs $(INPUTS) --seed $(SEED) --minutes $(MINUTES) --keep fuzz-faults

# After a change of pyproject.toml or constraints.txt; needs uv. Without torch and what only its CUDA builds need.
LOCK := uv pip compile --quiet --generate-hashes --no-annotate --no-header --default-index https://pypi.org/simple
hashes:
	echo "# Made by make hashes." > requirements-hashed.txt
	$(LOCK) pyproject.toml $(foreach extra,$(subst $(COMMA), ,$(EXTRAS),cluster),--extra $(extra)) --group test --group lint --group docs \
	  -c constraints.txt --universal --python-version 3.11 \
	  | awk '/^[a-z]/ {kept = !/^(torch==|triton==|nvidia-|cuda-)/} kept' >> requirements-hashed.txt
	echo "resemblyzer==0.1.4" | $(LOCK) --no-deps - >> requirements-hashed.txt

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/speed.py -o bench.json
	$(BIN)/python benchmarks/growth.py -o growth.json

wheel: $(VENV)/.installed
	$(BIN)/python -m build --wheel

clean:
	rm -rf $(VENV) build dist site
