PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PYFEAT_VENV ?= .venv-pyfeat

.PHONY: setup demo docs test test-pyfeat test-cluster check types wheel-test bench clean

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

# Ray, fsspec for S3 and an S3 server: nothing else needs them.
$(VENV)/.cluster: $(VENV)/.installed
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt \
		-e ".[cluster,s3]" "moto[server]>=5"
	touch $@

test-cluster: $(VENV)/.cluster
	$(BIN)/pytest tests/run/test_batch_ray.py tests/run/test_batch_urls.py \
		tests/pipeline/batch/test_remote.py

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

# The documentation site, in build/docs: any warning is an error, any dead link too.
docs: setup
	rm -rf build/docs build/docs-doctrees
	$(BIN)/python -m sphinx -b html -n -W --keep-going -q -c docs -d build/docs-doctrees . build/docs
	$(BIN)/python docs/site_pages/check.py build/docs

bench: setup
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .typecheck
