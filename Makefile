# make test    lint, types and all tests, in windows on a screenless X server; WORKERS=1 for one test process
# make coverage  the same tests, and which lines they ran
# make docs    the documentation as a site in site/; a warning or a broken link is an error
# make hooks   ruff, mypy and the manifest check before every commit
# make demo    napari with a tile, Annotate clicked; without a display it leaves demo.png and prints the summary
# make bench   speed and agreement against the reference scheme
# make screenshots  pictures for the documentation, from the running program
# make wheel   wheel and source archive in dist/
# make clean   forget the virtual environment and all caches
#
# Each target first installs what it needs (and prints it): system packages if run as root on Debian, then .venv/.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
EXTRAS := all,dev,docs
# Test processes. A file stays in one process, because its tests share fixtures and, in a window, a screen.
WORKERS ?= auto
PYTEST := -m pytest -n $(WORKERS) --maxprocesses 8 --dist loadfile

# 24-bit colour and GLX: Qt's own "offscreen" platform has no OpenGL, so napari cannot draw there.
SCREEN = $(if $(shell command -v xvfb-run),xvfb-run -a -s "-screen 0 1600x1000x24 +extension GLX")
QT = $(if $(filter Linux,$(shell uname -s)),QT_QPA_PLATFORM=xcb)

.PHONY: install test lint check-types pytest coverage docs hooks demo screenshots bench wheel clean
.DEFAULT_GOAL := test

install: $(VENV)/.installed

$(VENV)/.system: tools/system-packages.sh
	@test -n "$(PYTHON)" || { echo "No python3 found: install Python 3.11 or newer."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "$(PYTHON) is older than 3.11: run make PYTHON=python3.11 (or newer)."; exit 1; }
	@sh tools/system-packages.sh $(PYTHON)
	@mkdir -p $(VENV)
	@touch $@

$(VENV)/.torch: constraints.txt $(VENV)/.system
	@test -x $(BIN)/python || { echo "Making $(VENV) with $(PYTHON)"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing torch and torchvision, the plain pair of the package index (about 5 GB)"
	$(BIN)/python -m pip install --progress-bar off -c constraints.txt torch torchvision
	@touch $@

$(VENV)/.installed: pyproject.toml constraints.txt $(VENV)/.torch
	@echo "Installing napari-cerberus with its extras: $(EXTRAS)"
	$(BIN)/python -m pip install --progress-bar off -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

test: lint check-types pytest

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check-types: install
	$(BIN)/mypy
	$(BIN)/mypy --config-file tools/mypy-scripts.ini benchmarks research docs tools

pytest: install
	$(QT) $(SCREEN) $(BIN)/python $(PYTEST)

coverage: install
	$(QT) $(SCREEN) $(BIN)/python $(PYTEST) --cov --cov-report=term --cov-report=xml

docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

hooks: install
	$(BIN)/pre-commit install

screenshots: install
	$(QT) $(SCREEN) $(BIN)/python docs/screenshots.py

demo: install
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname -s)" != Linux ]; then \
	    $(BIN)/napari-cerberus demo; \
	else \
	    echo "No display: the demo runs on a screenless X server and leaves demo.png"; \
	    $(QT) $(SCREEN) $(BIN)/napari-cerberus demo --screenshot demo.png; \
	fi

bench: install
	$(BIN)/python benchmarks/annotate.py

wheel: install
	$(BIN)/python -m build --no-isolation

clean:
	rm -rf $(VENV) build dist site .coverage* coverage.xml .mypy_cache .ruff_cache .pytest_cache .hypothesis
