# Two commands do all on a fresh machine: `make demo` and `make test`. Python 3.11 or newer and make are all they assume.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
NODE_TESTS := tests/interop/node tests/conformance/node
NODE_MODULES := $(NODE_TESTS:%=%/node_modules)
FHIR_PACKAGES ?= ../shared/igs
export FHIR_PACKAGES

.PHONY: help setup demo test check fix bench bench-faults proof screenshots docs lock clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(STAMP) ## Make .venv with everything pinned by hash

# uv with uv.lock where uv is installed, else venv and pip with the hashes exported from the same lock.
$(STAMP): pyproject.toml uv.lock requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "smart-screening needs Python 3.11 or newer; $(PYTHON) is older. Set PYTHON=/path/to/python3.11."; exit 1; }
	@if command -v uv >/dev/null 2>&1; then \
	  uv sync --locked --all-extras --python "$$(command -v $(PYTHON))"; \
	else \
	  $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "This Python has no venv. Install it, on Debian and Ubuntu with: apt install python3-venv"; exit 1; }; \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .; \
	fi
	@touch $@

demo: $(STAMP) ## Start the simulated EHR (9000) and the app (8000) with synthetic patients
	@$(BIN)/smart-screening demo $(DEMO_FLAGS)

# What needs Node packages says so and is skipped where npm is missing; with CI=true a skip fails.
test: $(STAMP) $(NODE_MODULES) ## Run all tests
	@$(BIN)/python -m pytest $(PYTEST_FLAGS)

$(NODE_MODULES): %/node_modules: %/package-lock.json
	@if command -v npm >/dev/null 2>&1; then npm ci --prefix $* --no-audit --no-fund --silent && touch $@; \
	else echo "npm is not installed: what needs Node packages will be skipped"; fi

check: $(STAMP) ## Format, lint, types (mypy strict), import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

fix: $(STAMP) ## Let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(STAMP) tests/conformance/node/node_modules ## Measure speed and memory, as ratios within one run
	@$(BIN)/python -m bench

bench-faults: $(STAMP) ## Run every cell of the fault matrix: each fault by way to write by step
	@FAULT_MATRIX=all $(BIN)/pytest -q tests/safety/test_rule_7_fault_matrix.py

proof: $(STAMP) ## Every mutant of every instrument and 100,000 damaged responses (some minutes)
	@$(BIN)/python -m tests.golden.kill_rate
	@$(BIN)/python -m tests.conformance.mutated_responses 100000

screenshots: $(STAMP) ## Draw every page at 1280 and 400 px into docs/screenshots
	@$(BIN)/python -m tests.browser.screenshots

docs: $(STAMP) ## Write the generated pages of docs/ anew
	@$(BIN)/python docs/_generate/conformance.py
	@$(BIN)/python docs/_generate/instruments.py

lock: ## Renew uv.lock and the hashed requirements (needs uv)
	@uv lock --upgrade
	@$(MAKE) --no-print-directory requirements/dev.txt

requirements/dev.txt: uv.lock
	@if command -v uv >/dev/null 2>&1; then uv export --quiet --locked --all-extras --no-emit-project --format requirements-txt --output-file $@; fi
	@touch $@

clean: ## Remove what set-up, tests and demo made
	@rm -rf $(VENV) $(NODE_MODULES) var .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage htmlcov
