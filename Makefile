# Two commands set everything up by themselves: `make demo` and `make test`. Needs Python 3.11+ and make.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 3000
CONFIG ?= configs/completejourney.yaml
export OMP_WAIT_POLICY := passive
export PYTHONPATH := $(CURDIR)/src:$(CURDIR)
export MLFLOW_DISABLE_TELEMETRY := true
export BENTOML_DO_NOT_TRACK := True

.PHONY: help demo test test-long check docs serve replay bento ui bench peers lock clean
help:            ## what can be done
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

$(VENV)/runtime.done: requirements/runtime.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	@$(BIN)/python -c 'import pathlib, site; \
		pathlib.Path(site.getsitepackages()[0], "churn_value.pth").write_text("$(CURDIR)/src\n")'
	@touch $@

$(VENV)/dev.done: requirements/dev.txt $(VENV)/runtime.done
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

demo: $(VENV)/runtime.done  ## real data in, trained and served answers out, in minutes
	$(BIN)/python -m pipelines.demo

# Servers and stores that several processes share are tested one after the other: their tests measure, kill and wait.
ALONE := tests/service tests/tracking
test: $(VENV)/dev.done      ## the whole test suite
	$(BIN)/python -m pytest -m "not long" --numprocesses auto --maxprocesses 4 --dist loadfile $(ALONE:%=--ignore=%)
	$(BIN)/python -m pytest -m "not long" $(ALONE)

test-long: $(VENV)/dev.done ## the longer proofs; run once per change of what they prove
	CHURN_VALUE_RECORD=1 $(BIN)/python -m pytest -m long

check: $(VENV)/dev.done     ## format, lint, types: the same as the pre-commit hook
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/dev.done      ## write the documents that are generated from the code
	$(BIN)/python -m pipelines.docs

serve: $(VENV)/runtime.done ## serve the champion of CONFIG on PORT
	$(BIN)/python -m pipelines.serve --config $(CONFIG) --port $(PORT)

ui: $(VENV)/runtime.done    ## look at the runs
	$(BIN)/mlflow ui --backend-store-uri sqlite:///.artifacts/mlflow.db --port 5000

replay: $(VENV)/runtime.done ## check the log of answers of CONFIG
	$(BIN)/python -m pipelines.replay --config $(CONFIG) --verify

bento: $(VENV)/runtime.done ## pack the champion of CONFIG into a Bento
	$(BIN)/python -m pipelines.build_bento --config $(CONFIG)

bench: $(VENV)/dev.done     ## measure every shipped config; writes benchmarks/results/
	$(BIN)/python -m benchmarks.configs

peers:                      ## the environment of the systems that benchmarks.accuracy compares with
	$(PYTHON) -m venv .artifacts/peers
	.artifacts/peers/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/peers.txt

lock: ## resolve the requirements again; needs uv
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-header -q requirements/dev.in -o requirements/dev.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-header -q -c requirements/dev.txt requirements/runtime.in -o requirements/runtime.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-header -q requirements/peers.in -o requirements/peers.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-header -q requirements/serving_peers.in -o requirements/serving_peers.txt

clean: ## remove what runs have made; data stay
	rm -rf .artifacts models/exported .pytest_cache .mypy_cache .ruff_cache .hypothesis
