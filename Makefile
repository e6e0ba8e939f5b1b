# PYTHON makes the environment; PIP_ARGS goes to every pip install.
PYTHON ?= python3
PIP_ARGS ?=
# Beside the package index, where the CPU builds of torch are; where this can not be reached, the index must have one.
TORCH_WHEELS ?= https://download.pytorch.org/whl/cpu/torch/

BIN := .venv/bin
STAMP := .venv/.installed
TYPES := build/types/ppyr

.PHONY: env demo test lint format clean

env: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install $(PIP_ARGS) --retries 1 --find-links $(TORCH_WHEELS) -c constraints.txt torch
	$(BIN)/python -m pip install $(PIP_ARGS) -c constraints.txt -e '.[dev]'
	touch $@

demo: env
	$(BIN)/ppyr demo

test: env
	$(BIN)/pytest

# mypy follows folders, not package-dir: it gets the three source folders laid out as the package they become.
lint: env
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	rm -rf $(TYPES) && mkdir -p $(TYPES)
	ln -s "$(CURDIR)"/codec/* "$(CURDIR)/bitstream" "$(CURDIR)/models" $(TYPES)
	$(BIN)/mypy

format: env
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf .venv build *.egg-info
