# `make help` lists the targets.

PYTHON ?= python3
WORKERS ?= auto
HOSTS_PYTHON ?= python3.12
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo test floors lint docs figures js serving distributed bench hosts engines
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[cpu,train,dev,docs]"
	touch $@

demo: $(READY) ## Look around: set up, draw text from the shipped model, train a model of your own.
	@echo "── text drawn from the shipped model"
	$(BIN)/rnn-infer generate --model exported/charlm.onnx --prompt "ROMEO:" --length 300 --seed 1
	@echo "── names read by the shipped classifier"
	$(BIN)/rnn-infer classify --model exported/classifier.onnx Nakamura Kowalczyk "O'Donnell" Rossi
	@echo "── a small model of your own: one minute on the Python standard library"
	$(BIN)/rnn-train charlm --minutes 1 --out runs/demo.onnx
	$(BIN)/rnn-infer generate --model runs/demo.onnx --prompt "def " --length 300 --seed 1
	@echo "── done: runs/demo.onnx is yours; rnn-infer --help and rnn-train --help say more"

test: $(READY) ## Run all tests.
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup $(PYTEST_OPTIONS)

floors: $(READY) ## Check the test coverage, after: make test PYTEST_OPTIONS="--cov --cov-report="
	$(BIN)/coverage report --include "rnn_infer/*" --fail-under 95 --skip-covered
	$(BIN)/coverage report --include "rnn_train/*" --fail-under 90 --skip-covered

lint: $(READY) ## Run ruff, mypy and the import rules.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

docs: $(READY) ## Build the documentation site in site/; a warning is an error.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

figures: $(READY) ## Draw the figures of the documentation again.
	$(BIN)/python -m docs.figures

js: ## Install and test the JavaScript package; needs node 20 or newer.
	cd js && npm ci --no-audit --no-fund --loglevel=error && npm test

serving: ## Run the server with OpenAI's client, and a pool behind Triton; outside CI.
	$(PYTHON) -m venv .venv-serving
	.venv-serving/bin/pip install --quiet --requirement examples/triton/requirements.txt
	.venv-serving/bin/pip install --quiet --editable ".[cpu]"
	.venv-serving/bin/pytest --noconftest tests/examples/test_server.py tests/train/exporting/test_triton.py
	.venv-serving/bin/python examples/triton/check.py tests/data/charlm.onnx

distributed: ## Run the examples of Ray, Spark and Dask; outside CI. Spark needs Java 17.
	$(PYTHON) -m venv .venv-distributed
	.venv-distributed/bin/pip install --quiet --requirement examples/distributed/requirements.txt
	.venv-distributed/bin/pip install --quiet --editable ".[cpu]"
	.venv-distributed/bin/pytest -W default tests/examples/test_distributed.py

hosts: $(READY) ## Run the models in other engines (half an hour) and render the tables; needs Python 3.12.
	$(BIN)/python -m hosts.files
	$(BIN)/python -m hosts.run --python $(HOSTS_PYTHON)
	$(BIN)/python -m benchmarks.render

engines: $(READY) ## Measure the fastest engines in turns (10 minutes) and render the tables; needs Python 3.12.
	$(BIN)/python -m hosts.speed --python $(HOSTS_PYTHON)
	$(BIN)/python -m benchmarks.render

bench: $(READY) ## Measure beside the peers (about 20 minutes) and render the tables.
	$(BIN)/python -m benchmarks.generation
	$(BIN)/python -m benchmarks.parts
	$(BIN)/python -m benchmarks.scoring
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.loading
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.render
