# Two commands do all the set-up: `make train` and `make test`. Pass overrides in ARGS: make train ARGS="model=mlp seed=2"
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# The versions that CI passed with. `make clean`, then `make CONSTRAINTS= test`, takes the newest that pyproject.toml allows.
CONSTRAINTS ?= constraints.txt
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Tests of small nets run fastest with one thread a process, one for each core; each begins with some seconds of imports. Each
# begins with one part of the tests in their order, so nearly all fixtures of a module are made once; one that ends takes over a part
# of another's rest. Compiled tests are kept, also where the environment forbids it: each process would compile them anew.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

.PHONY: train test test-all lint bench audit clean

train: $(VENV)/installed
	$(BIN)/python train.py $(ARGS)

test: lint
	$(PYTEST) -m "not slow" -q

test-all: lint
	$(PYTEST) -q

lint: $(VENV)/installed-dev
	$(BIN)/ruff check src tests benchmarks studies tools train.py
	$(BIN)/mypy
	$(BIN)/hadolint --failure-threshold error Dockerfile

# Training speed and the cost of a FID beside plain loops, under 10 minutes on an idle machine: benchmarks/results/bench.json
bench: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/bench.py $(ARGS)

# Known vulnerabilities of what is installed, by the database of the Python Packaging Authority.
audit: $(VENV)/installed-dev
	@$(PIP_INSTALL) pip-audit
	@$(BIN)/python tools/audit.py

# The stamps make a second call start at once; a changed pyproject.toml or other constraints install anew.
$(VENV)/installed: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -c "import sys; sys.exit('seesaw needs Python 3.11 or newer; set PYTHON=' if sys.version_info < (3, 11) else 0)"
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) $(CONSTRAINTS:%=-c %) -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP_INSTALL) $(CONSTRAINTS:%=-c %) -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache
