# Every target but setup uses the virtual environment that setup makes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=

.PHONY: setup check format test test-quick test-docker test-acceptance soak bench demo lock clean

setup: $(STAMP)

$(STAMP): requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make setup PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	@echo "installing what requirements-dev.lock names; this takes a minute"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/codespell

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: setup
	$(BIN)/python -m pytest tests -n 2 --dist loadgroup $(ARGS)

test-quick: setup
	$(BIN)/python -m pytest tests --ignore=tests/acceptance --ignore=tests/crashes --ignore=tests/fuzz --ignore=tests/demo -m "not postgresql and not thorough and not docker" -n 2 --dist worksteal $(ARGS)

# Needs a Docker engine; no other target runs these.
test-docker: setup
	$(BIN)/python -m pytest tests/docker -m docker $(ARGS)

test-acceptance: setup
	$(BIN)/python -m pytest tests/acceptance $(ARGS)

# The proofs again, for as long as it takes (more than an hour on two cores): ten times as many kills, twenty times as many mutations,
# five times as many people, twenty times as many installations.
soak: setup
	TEST_KILLS=200 TEST_MUTATIONS=100000 TEST_ROLLING_SECONDS=60 TEST_PEOPLE=500 TEST_INSTALLATIONS=10000 \
		$(BIN)/python -m pytest tests/crashes tests/fuzz tests/acceptance/test_many_people.py tests/acceptance/test_many_installations.py $(ARGS)

bench: setup
	$(BIN)/python -m benchmarks $(ARGS)

demo: setup
	$(BIN)/python -m demo $(ARGS)

lock:
	uv pip compile pyproject.toml --group dev --generate-hashes --universal --no-emit-index-url --no-emit-find-links --no-header -p 3.11 -o requirements-dev.lock
	uv pip compile pyproject.toml -c requirements-dev.lock --generate-hashes --universal --no-emit-index-url --no-emit-find-links --no-header -p 3.11 -o requirements.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
