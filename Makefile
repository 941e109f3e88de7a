PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PYFEAT_VENV ?= .venv-pyfeat

.PHONY: setup demo test test-pyfeat check types wheel-test bench clean

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e ".[offline,dev]"
	touch $@

demo: setup
	$(BIN)/affect-pipe run samples/talking.mp4

test: setup
	$(BIN)/pytest

# py-feat in an environment of its own: it brings gigabytes that nothing else needs. `===` takes
# PyPI's build of torch, the one that torchvision's compiled parts fit, before any local one.
$(PYFEAT_VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(PYFEAT_VENV)
	$(PYFEAT_VENV)/bin/python -m pip install --disable-pip-version-check -q -c constraints.txt \
		-e ".[dev,pyfeat]" "torch===2.13.0"
	touch $@

test-pyfeat: $(PYFEAT_VENV)/.installed
	AFFECT_PIPE_TEST_BACKENDS=pyfeat $(PYFEAT_VENV)/bin/pytest \
		tests/extractors/visual/test_pyfeat.py tests/extractors/visual/test_picture_networks.py

check: setup types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pytest

# Type checkers cannot follow an editable install that maps folders: give them a real one.
types: setup
	mkdir -p .typecheck && ln -sfn .. .typecheck/affect_pipe
	$(BIN)/mypy

# The built wheel, in an empty environment, away from the checkout.
wheel-test: setup
	rm -rf dist build/wheel-test
	$(BIN)/python -m build --wheel
	$(PYTHON) -m venv build/wheel-test
	build/wheel-test/bin/python -m pip install --disable-pip-version-check -q \
		-c constraints.txt "$$(ls dist/*.whl)[offline]"
	cd build/wheel-test && bin/affect-pipe run ../../samples/talking.mp4 --out results

bench: setup
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .typecheck
