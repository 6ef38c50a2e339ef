# Everything a newcomer or a machine runs. Each target sets up what it needs; slow parts are cached and resumed.

CACHE ?= $(or $(MODELROLLOUT_CACHE),$(HOME)/.cache/modelrollout)
export PATH := $(CACHE)/uv/bin:$(PATH)
PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest
IN_CLUSTER := $(PYTHON) -m cluster exec --
FAST := tests/unit tests/property tests/cluster

.PHONY: demo test check fast format lint types contracts apiserver-test pretended real e2e tables crds lock images sizes sbom cluster down clean

demo: cluster images  ## a good model goes live and a bad one comes back, shown as it happens (about 5 minutes)
	$(IN_CLUSTER) $(PYTHON) -m demo.show

test: check apiserver-test e2e  ## every test layer

check: .venv/ready  ## daily work: format, lint, types, import contracts, unit and property tests (about a minute)
	$(MAKE) --no-print-directory -j 2 format lint types contracts fast

format: .venv/ready
	.venv/bin/ruff format --check --quiet .

lint: .venv/ready
	.venv/bin/ruff check --quiet .

types: .venv/ready
	.venv/bin/mypy

contracts: .venv/ready
	.venv/bin/lint-imports --no-cache
	$(PYTHON) -m scripts.generated --check

fast: .venv/ready
	$(PYTEST) -q $(FAST)

apiserver-test: .venv/ready  ## simulations, faults, benches, chart, and the API server's own answers (no cluster needed)
	$(PYTHON) -m cluster binaries
	$(PYTHON) -m cluster mlflow-server
	$(MAKE) --no-print-directory -j 2 pretended real
	$(PYTEST) -q tests/bench

# Faults first: collecting what simulations leave behind takes longer than the leases of a hurried clock last.
pretended: .venv/ready
	$(PYTEST) -q tests/faults tests/simulation

real: .venv/ready
	$(PYTEST) -q tests/registry tests/apiserver tests/prometheus tests/chart tests/gitops

e2e: cluster images  ## real pods, gateway, Prometheus, MLflow and traffic
	$(PYTHON) -m cluster mlflow-server
	$(PYTHON) -m cluster binaries helm
	$(IN_CLUSTER) $(PYTEST) -q tests/e2e

cluster: .venv/ready  ## the throw-away cluster, up and healthy
	$(PYTHON) -m cluster up

images: cluster
	$(PYTHON) -m cluster image operator operator
	$(PYTHON) -m cluster image observer operator --variant observer
	$(PYTHON) -m cluster image demo-server demo/server

sizes: images  ## how large the images are
	@$(IN_CLUSTER) docker image ls --filter reference='modelrollout/*:dev' --format '{{.Repository}} {{.Size}}'

tables: .venv/ready  ## the measured tables of docs/statistics.md, at full size (half an hour of one core)
	$(PYTHON) -m tests.bench.evidence.tables --write docs/statistics.md

crds: .venv/ready  ## write all that is generated: crds/, the pages of fields and metrics, dashboards, and the chart's copies
	$(PYTHON) -m scripts.generated

sbom: .venv/ready  ## dist/: what is in the images, as CycloneDX, and under which licences
	$(PYTHON) scripts/sbom.py

down: .venv/ready  ## remove everything that was made, except the cache
	$(PYTHON) -m cluster down

clean: down
	rm -rf .venv

lock:  ## resolve again and pin what is newest
	uv pip compile -q pyproject.toml $(LOCK) -o operator/requirements.lock
	uv pip compile -q pyproject.toml --extra mlflow $(LOCK) -o operator/requirements-mlflow.lock
	uv pip compile -q pyproject.toml --extra otel $(LOCK) --constraint operator/requirements-mlflow.lock -o operator/requirements-otel.lock
	uv pip compile -q requirements/mlflow-server.in $(LOCK) -o requirements/mlflow-server.lock
	uv pip compile -q pyproject.toml --group dev $(LOCK) -o requirements/dev.lock
	uv pip compile -q --group observer $(LOCK) --constraint operator/requirements.lock -o operator/observer.lock
	uv pip compile -q --group supply $(LOCK) -o requirements/supply.lock

LOCK := --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --upgrade

.venv/ready: requirements/dev.lock pyproject.toml scripts/setup
	CACHE="$(CACHE)" scripts/setup
	touch .venv/ready
