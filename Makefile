# `make demo` and `make test` do their own set-up in a local virtual environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RUNS ?= runs
# Folder of the real data packs (docs/data.md), for what needs them.
DATA ?=
NEEDS_DATA = $(if $(DATA),,$(error give the folder of the data packs: make $@ DATA=packs))

.PHONY: setup demo demo-train demo-seeds train-models test test-all lint docs accelerator clean

$(STAMP): requirements.txt requirements-test.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-test.txt
	touch $@

DOCS_STAMP := $(VENV)/.installed-docs
$(DOCS_STAMP): $(STAMP) requirements-docs.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-docs.txt
	touch $@

# The environment alone.
setup: $(STAMP)

# Labels procedural faces of two styles by a baseline trained on 20 labels and by
# the shipped model, and prints a table.
demo: $(STAMP)
	$(BIN)/semseg-jax demo --workdir=$(RUNS)/demo

# The joint GAN and all else from scratch, smaller.
demo-train: $(STAMP)
	$(BIN)/semseg-jax demo --workdir=$(RUNS)/demo-train --variant=short

# Three seeds, longer; resumable: run it again after an interruption.
demo-seeds: $(STAMP)
	$(BIN)/semseg-jax demo --workdir=$(RUNS)/demo-seeds --seeds=0,1,2 --variant=long

# The published models, in the background of other work, for hours; resumable:
# run it again after an interruption. RUNS/models/LOG.md says what ran when.
train-models: $(STAMP)
	$(NEEDS_DATA)
	nice -n 19 $(BIN)/semseg-jax train_models --runs=$(RUNS)/models --data=$(DATA)

# What this machine's devices do with the project, part by part, in so many
# minutes; with PyTorch in the environment also against it (docs/accelerators.md).
MINUTES ?= 10
OUT ?= accelerator
accelerator: $(STAMP)
	$(BIN)/python -m benchmarks.accelerator --minutes=$(MINUTES) --out=$(OUT)

# Tests compile far more than they compute. The golden ones among `test-all` keep
# XLA's own settings: there they take three times as long.
QUICK := XLA_FLAGS="$${XLA_FLAGS-$$(PYTHONPATH=. $(BIN)/python tests/quick_flags.py)}"

# Two workers: tests mostly compile, which takes one core.
WORKERS := -n 2
# A file's tests share what they train. In the order of collection: files of few
# long tests would come last, and one worker would wait for the other.
BY_FILE := --dist=loadfile --no-loadscope-reorder

# Searches of latents run many times longer than they compile: they are optimized.
test: lint
	$(QUICK) $(BIN)/python -m pytest -q $(WORKERS) tests/golden -k "not invert"
	$(BIN)/python -m pytest -q $(WORKERS) tests/golden -k invert
	$(QUICK) $(BIN)/python -m pytest -q $(WORKERS) $(BY_FILE) --ignore=tests/golden

# Also compiles for a TPU slice, by libtpu, without a TPU, and fuzzes the readers
# by Atheris, where it has a wheel for this Python.
test-all: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check libtpu
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: atheris
	$(BIN)/python -m pytest -q $(WORKERS) --all tests/golden
	$(QUICK) $(BIN)/python -m pytest -q $(WORKERS) $(BY_FILE) --all --ignore=tests/golden $(if $(DATA),--data-packs=$(DATA))

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy

# The documentation as a site in .cache/site; a broken link is an error.
docs: $(DOCS_STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) .cache
