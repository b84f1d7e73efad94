# make demo   installs the core into .venv and runs the main job on bundled data
# make test   installs the rest and passes the tests, test-all the slow ones too
# make matrix passes the tests on the oldest and newest Python, with the core alone, all extras, the oldest dependencies
# make docs   builds the site in docs/_build/html, offline; warnings are errors
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check

.PHONY: demo test test-all matrix docs lint format clean

demo: $(VENV)/.core
	$(PY) -m pipelines run digits

test: $(VENV)/.dev lint
	$(PY) -m pytest -q -n 2 --dist worksteal -m "not slow"

test-all: $(VENV)/.dev lint
	$(PY) -m pytest -q -n 2 --dist worksteal

matrix: $(PY)
	$(PIP) tox tox-uv
	$(PY) -m tox

docs: $(VENV)/.docs
	$(PY) -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@echo docs/_build/html/index.html

# pre-commit needs git; a tree without it (an sdist) is checked by the same three commands.
lint: $(VENV)/.dev
	@if git rev-parse --git-dir > /dev/null 2>&1; then \
	  PRE_COMMIT_HOME=$(CURDIR)/$(VENV)/pre-commit PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PY) -m pre_commit run --all-files; \
	else \
	  $(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m mypy; \
	fi

format: $(VENV)/.dev
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

$(PY):
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml | $(PY)
	$(PIP) -e '.[plot]'
	touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.core
	$(PIP) -e '.[dev]'
	touch $@

$(VENV)/.docs: pyproject.toml $(VENV)/.core
	$(PIP) -e '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) results docs/_build docs/api docs/gallery .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
