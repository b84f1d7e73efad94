# make demo   installs the core into .venv and runs the main job on bundled data
# make test   installs the rest and passes the tests
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check

.PHONY: demo test lint format clean

demo: $(VENV)/.core
	$(PY) -m pipelines run digits

test: $(VENV)/.dev lint
	$(PY) -m pytest -q -n 2 --dist worksteal

lint: $(VENV)/.dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

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

clean:
	rm -rf $(VENV) results .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
