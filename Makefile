# `make demo`, `make run` and `make test` need Python >= 3.11 and make, nothing else: each makes .venv by itself.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
# Most tests wait for something most of their time: more of them at once than there are cores.
WORKERS ?= 3
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo run test chaos fuzz lint format bench bench-opcua bench-ocpp soak docs lock audit clean

help:
	@echo 'make demo    simulated stations that charge, read back through OPC UA'
	@echo 'make run     the bridge, with the configuration of this folder'
	@echo 'make test    all tests'
	@echo 'make chaos   a bridge that is killed 200 times, amid bad networks (ARGS="--seed N --cycles N")'
	@echo 'make fuzz    1,000,000 frames and 200,000 OPC UA chunks that mean harm'
	@echo 'make lint    ruff, mypy, import-linter'
	@echo 'make format  let ruff format and repair what it can'
	@echo 'make bench   the figures of the README'
	@echo 'make bench-opcua  the OPC UA server beside two others'
	@echo 'make bench-ocpp   the central system beside two others'
	@echo 'make soak    5,000 stations for ten minutes: does memory grow?'
	@echo 'make docs    write the generated parts of README.md and docs/ anew'
	@echo 'make lock    pin every dependency with its hashes in requirements.lock'
	@echo 'make audit   look the pinned dependencies up among the known vulnerabilities (needs the internet)'
	@echo 'make clean   remove .venv and caches'

demo: .venv/run.stamp
	$(BIN)/ocpp-bridge demo $(ARGS)

run: .venv/run.stamp
	$(BIN)/ocpp-bridge run $(ARGS)

test: .venv/dev.stamp
	$(BIN)/python -m pytest -q --numprocesses $(WORKERS) --dist loadfile $(ARGS)

chaos: .venv/dev.stamp
	$(BIN)/python -m tests.chaos $(ARGS)

fuzz: .venv/fuzz.stamp
	$(BIN)/python -m tests.fuzz frames $(ARGS)
	$(BIN)/python -m tests.fuzz chunks $(ARGS)

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: .venv/dev.stamp
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: .venv/dev.stamp
	$(BIN)/python -m benchmarks $(ARGS)

bench-opcua: .venv/dev.stamp
	$(BIN)/python -m benchmarks.opcua $(ARGS)

bench-ocpp: .venv/dev.stamp
	$(BIN)/python -m benchmarks.ocpp $(ARGS)

soak: .venv/dev.stamp
	$(BIN)/python -m benchmarks.ocpp.soak $(ARGS)

docs: .venv/dev.stamp
	$(BIN)/python docs/generate.py

lock: .venv/dev.stamp
	$(PIP) install uv
	{ echo '# Every dependency of the program with its hashes, made by `make lock`: pip install --require-hashes -r requirements.lock'; \
		$(BIN)/uv pip compile pyproject.toml --generate-hashes --universal --python-version 3.11 -q --no-header --no-annotate; } \
		> requirements.lock.new && mv requirements.lock.new requirements.lock

audit: .venv/dev.stamp
	$(PIP) install pip-audit
	$(BIN)/pip-audit --require-hashes -r requirements.lock

clean:
	rm -rf .venv build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Made anew when pyproject.toml changes, so that what is no longer a dependency is gone.
.venv/run.stamp: pyproject.toml
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or newer is needed; none is on the PATH (make PYTHON=...)' >&2; exit 1; }
	@echo 'Making .venv; this takes a minute.'
	@$(PYTHON) -m venv --clear .venv || { \
		rm -rf .venv; echo 'Python has no venv module (on Debian: apt install python3-venv)' >&2; exit 1; }
	@$(PIP) install --editable .
	@touch $@

.venv/dev.stamp: .venv/run.stamp
	@$(PIP) install --editable '.[dev]'
	@touch $@

.venv/fuzz.stamp: .venv/dev.stamp
	@$(PIP) install --editable '.[dev,fuzz]'
	@touch $@
