# What one does here. `make` lists it. Nothing is needed but Python 3.11 or newer, make and a package index.

PYTHON ?= python3
BIN := .venv/bin
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-strip-extras --python-version 3.11 $(UPGRADE)

# Tests wait for disks most of their time; where there is room in memory, their databases are kept there.
ROOM := $(shell test "$$(df -Pk /dev/shm 2>/dev/null | awk 'END { print $$4 + 0 }')" -gt 2000000 && echo /dev/shm/)

# Both forms work: PORT=9000 make run, make run PORT=9000. Without PORT, APPEALS_PORT is left as it is (8000).
ifdef PORT
export APPEALS_PORT := $(PORT)
endif

.PHONY: help run test soak check bench format docs migration lock
.DEFAULT_GOAL := help

help: ## List what one does here
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

run: .venv/run ## Set up and serve on http://127.0.0.1:8000 (PORT=… and every APPEALS_… are honoured)
	@exec $(BIN)/appeals serve

SEED ?= $(shell date +%s)

test: .venv/check ## Set up and run every test, on SQLite and on PostgreSQL (TESTS=… adds arguments for pytest, SEED=… gives the order)
	@place=$$(mktemp -d $(if $(ROOM),$(ROOM)appeals.XXXXXX)) && chmod 711 "$$place" && trap 'rm -rf "$$place"' EXIT && \
	set -x && TMPDIR="$$place" $(BIN)/pytest -n 2 --randomly-seed=$(SEED) $(TESTS)

EXAMPLES ?= 500
soak: export EXAMPLES := $(EXAMPLES)
soak: .venv/check ## Let random walks, races and properties try much more, for hours (EXAMPLES=…, TESTS=…)
	$(MAKE) --no-print-directory test TESTS="-m 'soak or hypothesis' $(TESTS)"

check: .venv/check ## Everything that must hold before a change is taken: what .ci/run runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/appeals docs --check
	$(BIN)/openapi-spec-validator docs/openapi.json
	! grep -nE '://|--(index|extra-index|find-links)' requirements/*
	$(MAKE) --no-print-directory test TESTS="--cov --cov-report=term:skip-covered --cov-fail-under=95 -m 'not long and not postgresql'"
	$(MAKE) --no-print-directory test TESTS="-m 'long or postgresql'" # being traced takes half as long again

SIZES ?= 1000,10000,100000
DATABASES ?= sqlite,postgresql

bench: .venv/check ## Measure beside a bare reference, 1,000 to 100,000 cases, on both databases (SIZES=… DATABASES=…)
	$(BIN)/python -m benchmarks.beside $(SIZES) $(DATABASES)

format: .venv/check ## Lay the code out, and mend what can be mended by rule
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/check ## Write the pages of docs/ that are made from the code
	$(BIN)/appeals docs

migration: .venv/check ## Write the migration for a change of the model: make migration m="what it does"
	@test -n '$(m)' || { echo 'say what it does: make migration m="…"'; exit 2; }
	@set -e; place=$$(mktemp -d); trap 'rm -r "$$place"' EXIT; \
	export APPEALS_DATABASE_URL="sqlite:///$$place/empty.db"; \
	number=$$(ls migrations/versions/*.py | sed -n '$$s:.*/0*\([0-9]*\)_.*:\1:p'); \
	$(BIN)/appeals migrate; \
	$(BIN)/alembic revision --autogenerate --rev-id "$$(printf %04d $$((number + 1)))" -m '$(m)'; \
	$(BIN)/ruff format --quiet migrations; $(BIN)/ruff check --quiet --fix migrations; $(BIN)/ruff format --quiet migrations

lock: .venv/check ## Lock the dependencies anew (UPGRADE=--upgrade takes newer ones)
	cd requirements && ../$(LOCK) check.in -o check.txt && ../$(LOCK) -c check.txt run.in -o run.txt

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or newer is needed; name it: make PYTHON=python3.12 …'; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

# Installed anew only when what is asked for has changed.
.venv/run: .venv/python requirements/run.txt pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

.venv/check: .venv/run requirements/check.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/check.txt
	@touch $@
