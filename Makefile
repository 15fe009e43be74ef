# The verbs of this project: `make` lists them. What they do is in tools/ and tests/.
# A setting of .env can be given for one call: make up GTE_PORT=5050

PYTHON ?= python3
LAUNCHER = @$(PYTHON) -m tools.launcher
TESTS = @$(PYTHON) -m tests.run
HELP = awk -F ':.*\#\# ' '/^[a-z][a-z-]*:.*\#\# / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.DEFAULT_GOAL := help
.PHONY: help up demo prepare down clean logs status reload notify-test smoke load evaluate reconcile baseline bench bench-metrics test lint unit check check-dashboards report screenshots lock audit test-full-size test-precision mutate-rules rule-cost test-room test-faults test-quiet

help: ## list the targets
	@case "$${LC_ALL:-$${LC_MESSAGES:-$$LANG}}" in \
	zh*) $(HELP) | $(PYTHON) -m tools.chinese 2>/dev/null || $(HELP) ;; *) $(HELP) ;; esac

up: ## start everything, with GTE from ModelScope or GTE_MODEL_DIR; if neither is available, with the demo model
	$(LAUNCHER) up

demo: ## start everything with the small built-in model; downloads no model
	$(LAUNCHER) demo

prepare: ## fetch and build every image, start nothing (before a machine goes offline)
	$(LAUNCHER) prepare

status: ## list addresses and states; fails if a service is not healthy
	$(LAUNCHER) status

logs: ## follow the logs; one service: make logs SERVICE=gte-service
	$(LAUNCHER) logs $(SERVICE)

reload: ## check the configuration of Prometheus and Alertmanager, let them read it again, and say what they now run
	$(LAUNCHER) reload

notify-test: ## send a test message to each line of alertmanager/notify/targets.txt, and say how it went
	$(LAUNCHER) notify-test

smoke: ## check the running stack from end to end
	$(LAUNCHER) smoke

load: ## measure the running stack under load; options: make load ARGS="--help"
	$(LAUNCHER) load $(ARGS)

evaluate: ## measure what each task gets right on labelled sets; options: make evaluate ARGS="--help"
	@$(PYTHON) -m tools.evaluation $(ARGS)

reconcile: ## compare the access log with the counters in Prometheus; options: make reconcile ARGS="--help"
	@$(PYTHON) -m tools.reconcile $(ARGS)

baseline: ## suggest a limit for the P95 of each task from its history, and say why; options: make baseline ARGS="--help"
	@$(PYTHON) -m tools.baseline $(ARGS)

check-dashboards: ## check the dashboard files; options, for example with data: make check-dashboards ARGS="--data"
	@$(PYTHON) -m tools.dashboards check $(ARGS)

report: ## freeze the dashboards into one HTML file: make report FROM=now-1h TO=now; options: make report ARGS="--help"
	@$(PYTHON) -m tools.dashboards report $(if $(FROM),--from '$(FROM)') $(if $(TO),--to '$(TO)') $(ARGS)

screenshots: ## take pictures of the running stack's pages, in both languages, into docs/screenshots
	@$(PYTHON) -m tools.dashboards screenshots $(ARGS)

down: ## stop and remove the containers; data stays
	$(LAUNCHER) down

clean: ## remove the containers, their data and our images, after asking (CONFIRM=yes: without)
	$(LAUNCHER) clean

bench: ## compare with ModelScope, sentence-transformers, infinity and the machine's limit; options: make bench ARGS="--help"
	@$(PYTHON) -m tools.bench $(ARGS)

bench-metrics: ## measure what recording, scrapes and restarts cost, against targets; options: make bench-metrics ARGS="--help"
	@$(PYTHON) -m tools.bench_metrics $(ARGS)

lint: ## check style, types and shell scripts, without Docker
	$(TESTS) lint

unit: ## run the unit tests of every package, without Docker
	$(TESTS) unit

check: ## run lint, then check rules, dashboards, viewer, routing and compose files
	$(TESTS) check

test: ## run every check there is, on a stack of its own
	$(TESTS)

test-full-size: ## run the full shape of GTE-large in four workers and print its memory (takes minutes)
	$(TESTS) full-size

test-precision: ## measure what int8 and bf16 lose on a small published model, and the speed of int8
	$(TESTS) precision

mutate-rules: ## change the alert rules one place at a time and count what their tests notice; options: make mutate-rules ARGS="--help"
	@$(PYTHON) -m tools.mutate_rules $(ARGS)

rule-cost: ## measure all rules and every query of the dashboards on a long history of 8 tasks and 4 replicas
	$(TESTS) rule-cost

test-room: ## hold the room that the dashboards predict against a stepped load (takes 20 minutes of an idle machine)
	$(TESTS) room

test-faults: ## make every fault that alerts are for, and print who is told of it and how soon (takes an hour and three quarters)
	$(TESTS) faults

test-quiet: ## send healthy load for an hour, and see that no chat is told anything
	$(TESTS) quiet

audit: ## ask about known vulnerabilities of all locked packages, list what is in our images; options: make audit ARGS="--help"
	@$(PYTHON) -m tools.audit $(ARGS)

lock: ## resolve every requirements*.in into a lock with hashes; options: make lock ARGS="--help"
	@$(PYTHON) -m tools.lock $(ARGS)
