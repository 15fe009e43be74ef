# The verbs of this project: `make` lists them. What they do is in tools/ and tests/.
# A setting of .env can be given for one call: make up GTE_PORT=5050

PYTHON ?= python3
LAUNCHER = @$(PYTHON) -m tools.launcher
TESTS = @$(PYTHON) -m tests.run

.DEFAULT_GOAL := help
.PHONY: help up demo prepare down clean logs status smoke load evaluate reconcile bench bench-metrics test lint unit check lock test-full-size test-precision

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: ## start everything; GTE comes from ModelScope, from GTE_MODEL_DIR, or the demo model takes its place
	$(LAUNCHER) up

demo: ## start everything with the small built-in model; downloads no model
	$(LAUNCHER) demo

prepare: ## fetch and build every image, start nothing (before a machine goes offline)
	$(LAUNCHER) prepare

status: ## list addresses and states; fails if a service is not healthy
	$(LAUNCHER) status

logs: ## follow the logs; one service: make logs SERVICE=gte-service
	@docker compose logs --follow --tail 100 $(SERVICE)

smoke: ## check the running stack from end to end
	$(LAUNCHER) smoke

load: ## measure the running stack under load; its options: make load ARGS="--help"
	$(LAUNCHER) load $(ARGS)

evaluate: ## what each task gets right on labelled sets, with the model that is loaded; its options: make evaluate ARGS="--help"
	@$(PYTHON) -m tools.evaluation $(ARGS)

reconcile: ## do log and Prometheus say the same? its options: make reconcile ARGS="--help"
	@$(PYTHON) -m tools.reconcile $(ARGS)

down: ## stop and remove the containers; data stays
	$(LAUNCHER) down

clean: ## remove the containers, their data and our images, after asking (CONFIRM=yes: without)
	$(LAUNCHER) clean

bench: ## compare with ModelScope, sentence-transformers, infinity and the machine's limit; its options: make bench ARGS="--help"
	@$(PYTHON) -m tools.bench $(ARGS)

bench-metrics: ## what the metrics cost: recording, scrapes, restarts, against targets; its options: make bench-metrics ARGS="--help"
	$(TESTS) bench-metrics $(ARGS)

lint: ## style, types and shell scripts; needs no Docker
	$(TESTS) lint

unit: ## the unit tests of every package in a local environment; needs no Docker
	$(TESTS) unit

check: ## lint, then rules, dashboards, routing and compose files
	$(TESTS) check

test: ## run every check there is, on a stack of its own
	$(TESTS)

test-full-size: ## the full shape of GTE-large in four workers: takes minutes, prints its memory
	$(TESTS) full-size

test-precision: ## what int8 and bf16 lose against fp32 on the real weights of a small model
	$(TESTS) precision

lock: ## resolve every requirements*.in into a lock with hashes; its options: make lock ARGS="--help"
	@$(PYTHON) -m tools.lock $(ARGS)
