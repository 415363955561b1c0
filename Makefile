# `make` alone lists the targets. The programs behind them are in scripts/.

PYTHON = .venv/bin/python
# Tests that run the programs as a user does. `make cover` leaves them out, and the thorough tests.
SYSTEM_TESTS = tests/end_to_end
# tests/conftest.py sets the number of workers and the order. One worker runs all tests of a file, because some share a
# room or a screen.
WORKERS = -n auto --dist loadfile --no-loadscope-reorder
# Files in which a missed line or branch is a failure.
COVERED = chat/protocol/*,chat/server/room/service.py,chat/server/delivery/broadcast.py
PACKAGES = chat tests scripts $(wildcard benchmarks examples)

# Tests start the programs hundreds of times. Without compiled files, each start would take twice as long.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL = help
.PHONY: help run stop cluster install test check format cover docs bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

# Only `make run USERNAME=bob` counts: desktops set USERNAME in the environment to the name of the login.
run: export CHAT_USERNAME = $(if $(findstring command,$(origin USERNAME)),$(USERNAME))
run: export CHAT_ADDRESS = $(ADDRESS)
run: ## start a server unless one listens, open the client (USERNAME=bob, ADDRESS=host:port)
	@scripts/environment run
	@$(PYTHON) -m scripts.run

stop: ## stop the server that `make run` started
	@$(or $(wildcard $(PYTHON)),python3) -m scripts.stop

cluster: export CHAT_PORT = $(PORT)
cluster: ## start two servers that share one chat, and Redis; Ctrl-C ends them (PORT=8081)
	@scripts/environment test
	@$(PYTHON) -m scripts.cluster

install: ## make bin/chat-server and bin/chat-client ready for use
	@scripts/environment run
	@echo 'Ready: bin/chat-server and bin/chat-client, see --help.'

test: ## run the quick tests (ARGS=--all for all, ARGS="-k name tests/protocol" to choose)
	@scripts/environment test
	$(PYTHON) -m pytest $(WORKERS) $(ARGS)

check: ## check format, style, types and plain English
	@scripts/environment dev
	$(PYTHON) -m ruff format --check $(PACKAGES) bin setup.py
	$(PYTHON) -m ruff check $(PACKAGES) bin setup.py
	$(PYTHON) -m mypy $(PACKAGES)
	$(PYTHON) -m mypy bin/chat-server
	$(PYTHON) -m mypy bin/chat-client
	$(PYTHON) -m scripts.sentences

format: ## format the source
	@scripts/environment dev
	$(PYTHON) -m ruff check --select I --fix $(PACKAGES) bin setup.py
	$(PYTHON) -m ruff format $(PACKAGES) bin setup.py

cover: ## measure the coverage of the unit tests; the core must be complete
	@scripts/environment test
	$(PYTHON) -m coverage erase
	$(PYTHON) -m coverage run -m pytest $(WORKERS) --ignore=$(SYSTEM_TESTS) $(ARGS)
	$(PYTHON) -m coverage combine --quiet
	$(PYTHON) -m coverage report
	$(PYTHON) -m coverage report --include='$(COVERED)' --fail-under=100

docs: ## write man pages and completion scripts from --help, and play the screens (needs tmux, chromium)
	@scripts/environment test
	$(PYTHON) -m scripts.manual
	$(PYTHON) -m scripts.completions
	$(PYTHON) -m scripts.screens

bench: ## measure speed and memory beside other servers and clients
	@scripts/environment test
	$(PYTHON) -m benchmarks $(ARGS)

clean: ## remove everything that make has made, but not downloads/
	@if [ -d .run ]; then $(MAKE) --no-print-directory stop; fi
	rm -rf .venv .venv.lock .run .cache build dist chat.egg-info htmlcov .coverage .hypothesis \
		.mypy_cache .pytest_cache .ruff_cache
	find bin $(PACKAGES) -name __pycache__ -prune -exec rm -rf {} +
