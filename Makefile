PYTHON ?= python3
PORT ?= 1965
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help run test lint bench clean
.DEFAULT_GOAL := help

help:  ## show what can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# A virtual environment with gemd from this folder in it, made anew when its requirements change.
$(VENV)/run: setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gemd needs Python 3.11 or later; say make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/test: $(VENV)/run
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	@touch $@

run: $(VENV)/run  ## serve the sample capsule on gemini://localhost:1965/ (PORT=... for another port)
	@exec $(BIN)/python -m gemd --dir capsule --port $(PORT)

test: $(VENV)/test  ## run the whole test suite
	$(BIN)/python -X dev -W error::ResourceWarning -m pytest $(TESTS)

lint: $(VENV)/test  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/run  ## measure gemd beside other servers
	$(BIN)/python bench/compare.py

clean:  ## remove everything that was made
	rm -rf $(VENV) .bench build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
