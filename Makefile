# make demo    a first look: everything set up, text from the shipped model, a model of your own
# make test    all tests
# make lint    ruff and mypy
# make bench   measurements beside the peers (about 20 minutes), and their tables

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test floors lint bench
.DELETE_ON_ERROR:

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[cpu,train,dev]"
	touch $@

demo: $(READY)
	@echo "── text drawn from the shipped model"
	$(BIN)/rnn-infer generate --model exported/charlm.onnx --prompt "ROMEO:" --length 300 --seed 1
	@echo "── names read by the shipped classifier"
	$(BIN)/rnn-infer classify --model exported/classifier.onnx Nakamura Kowalczyk "O'Donnell" Rossi
	@echo "── a small model of your own: one minute on the Python standard library"
	$(BIN)/rnn-train charlm --minutes 1 --out runs/demo.onnx
	$(BIN)/rnn-infer generate --model runs/demo.onnx --prompt "def " --length 300 --seed 1
	@echo "── done: runs/demo.onnx is yours; rnn-infer --help and rnn-train --help say more"

test: $(READY)
	$(BIN)/pytest $(PYTEST_OPTIONS)

# How much of each package the tests reach, branches counted, after
# make test PYTEST_OPTIONS="--cov --cov-report="
floors: $(READY)
	$(BIN)/coverage report --include "rnn_infer/*" --fail-under 95 --skip-covered
	$(BIN)/coverage report --include "rnn_train/*" --fail-under 90 --skip-covered

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(READY)
	$(BIN)/python -m benchmarks.generation
	$(BIN)/python -m benchmarks.parts
	$(BIN)/python -m benchmarks.scoring
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.loading
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.render
