# Everything runs in .venv, made here from the lock; nothing else needs to be installed.
PYTHON ?= python3
BIN := .venv/bin
LOCKS := "--extra=dagster --extra=stream --extra=mysql --extra=otel:dagster" "--extra=serving --extra=otel:scorer" "--extra=dev:dev" "--extra=dev --extra=spark:spark" \
	"--extra=dev --extra=tracking:tracking"
CORES := $(shell nproc 2>/dev/null || echo 2)
# One more than cores: tests of servers wait half of their time. Two more were no quicker.
WORKERS := $(shell expr $(CORES) + 1)
# Beside each other, those that take longest first.
CHECKS := check-alerts check-types check-graph check-lint check-format check-layers check-dashboards check-containers
ARGS ?=
# Else each of hundreds of processes compiles the code anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test trial check fmt lock mlflow serve ui clean $(CHECKS)

help: ## List the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

demo: .venv/ready ## The main job on synthetic data, then UI and scorer; ARGS=--no-serve stops after the table
	@$(BIN)/segmentation demo $(ARGS)

test: check ## All checks and all tests
	$(BIN)/pytest -n $(WORKERS) $(ARGS)

trial: .venv/ready ## Everything at once with 1,000 faults, an hour; ARGS="--seeds 17 --keep" plays one plan
	@$(BIN)/python -m segmentation_assets_tests.trial $(ARGS)

check: .venv/spark .venv/tracking ## Format, lint, types, layering, containers, alerts
	@$(MAKE) --no-print-directory -j $(CORES) $(CHECKS)

check-alerts:
	scripts/check_monitoring.sh

check-types:
	$(BIN)/mypy

check-format:
	$(BIN)/ruff format --check .

check-lint:
	$(BIN)/ruff check .

check-graph:
	$(BIN)/dg check defs

check-layers:
	$(BIN)/lint-imports

check-dashboards:
	$(BIN)/python -m scripts.dashboards --check

check-containers:
	scripts/check_containers.sh

fmt: .venv/ready ## Format the code and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: .venv/ready ## Resolve the dependencies anew into requirements/
	@for target in $(LOCKS); do \
		extras=$$(echo $$target | sed 's/:.*//'); file=requirements/$$(echo $$target | sed 's/.*://').txt; \
		$(BIN)/uv pip compile pyproject.toml requirements/build.in $$extras --universal --python-version 3.11 \
			--generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links --no-header --quiet -o $$file; \
		echo $$file; \
	done

mlflow: .venv/tracking ## MLflow's pages about searches and fits, on port 5000; ARGS="--port 5001" changes it
	@$(BIN)/segmentation mlflow $(ARGS)

serve: .venv/ready ## The scorer on port 8000
	@$(BIN)/segmentation serve $(ARGS)

ui: .venv/ready ## The Dagster UI on port 3000
	@$(BIN)/segmentation ui $(ARGS)

clean: ## Remove the environment and caches; the warehouse stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# The newest lock wins: a changed lock or pyproject.toml installs again.
.venv/ready: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || (echo "Python 3.11 or newer is needed; try make PYTHON=python3.12"; exit 1)
	@echo "Setting up .venv (once; about a minute)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Half a gigabyte that the demo doesn't need.
.venv/spark: requirements/spark.txt .venv/ready
	@echo "Adding Spark to .venv (once; half a minute)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/spark.txt
	@touch $@

# MLflow and what it brings; training logs its search there if this is installed.
.venv/tracking: requirements/tracking.txt .venv/ready
	@echo "Adding MLflow to .venv (once; half a minute)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/tracking.txt
	@touch $@
