# Each target sets itself up: a virtual environment in .venv, versions pinned by constraints.txt.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_EXTRAS := all
TEST_EXTRAS := $(RUN_EXTRAS),test

.PHONY: demo test chromium lint bench screenshots wheel check-nexus check-eiger check-queueserver check-http bench-mcsas3 lock clean

demo: $(VENV)/.run                  ## the simulated scan of Palencia 2020, Fig. 1
	$(BIN)/flowlab demo

test: $(VENV)/.test                 ## every test, over real sockets and processes: they wait more than they work
	@$(PYTHON) -m tests.browser.get_chromium || true
	$(BIN)/python -m pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder --max-worker-restart=0

chromium:                           ## the browser that tests of the page want, where there is none
	@$(PYTHON) -m tests.browser.get_chromium

lint: $(VENV)/.test                 ## style, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright --warnings

bench: $(VENV)/.test                ## ratios against what users have elsewhere
	$(BIN)/python -m benchmarks

screenshots: $(VENV)/.test chromium  ## docs/images/page-*.png: each view of the page, light and dark, of a simulated scan
	$(BIN)/python -m tests.browser.screenshots

wheel: $(VENV)/.test                ## dist/flowlab-*.whl
	$(BIN)/python -m build --wheel --no-isolation

# pynxtools wants other versions of what flowlab uses, so it lives in an environment of its own. It tells
# whether a file is valid in words only, never by its exit code.
check-nexus: .venv-nexus/.ready     ## hold a file against its NeXus definition: make check-nexus FILE=…/run.nxs
	@test -f "$(FILE)" || { echo "check-nexus needs a file: make check-nexus FILE=…/run.nxs" >&2; exit 2; }
	@.venv-nexus/bin/pynx validate "$(FILE)" > .venv-nexus/said 2>&1; \
	  grep "is valid according to" .venv-nexus/said || { cat .venv-nexus/said; exit 1; }

.venv-nexus/.ready: Makefile
	$(PYTHON) -m venv .venv-nexus
	.venv-nexus/bin/pip install --quiet pynxtools==0.16.0
	@touch $@

# tickit-devices, an emulator that plays a real Eiger2's messages, needs an older cbor2 than flowlab.
check-eiger: $(VENV)/.test .venv-tickit/.ready    ## the Eiger's driver against an emulator that nobody here wrote
	FLOWLAB_TICKIT="$(CURDIR)/.venv-tickit/bin/python" $(BIN)/python -m pytest -p no:cacheprovider tests/devices/test_eiger_emulator.py

.venv-tickit/.ready: Makefile
	$(PYTHON) -m venv .venv-tickit
	.venv-tickit/bin/pip install --quiet tickit-devices==0.4.1 'cbor2<6'
	@touch $@

# The clients that the control socket is for, as they are published; they want other versions than flowlab, and the
# HTTP server wants pandas, which it does not say. They meet a daemon in memory, and flowlab up on the simulated lab.
# Against one that runs already, with parameters with which a plan soon ends, and with which it can be paused:
#   make check-queueserver ADDRESS=ipc://… PLAN=… SHORT='{…}' LONG='{…}'
check-queueserver: $(VENV)/.test .venv-queueserver/.ready    ## unmodified clients of bluesky-queueserver on the control socket
ifdef ADDRESS
	.venv-queueserver/bin/python tests/queueserver/stock_clients.py --address '$(ADDRESS)' --plan '$(PLAN)' --short '$(SHORT)' --long '$(LONG)'
else
	FLOWLAB_QUEUESERVER="$(CURDIR)/.venv-queueserver/bin/python" $(BIN)/python -m pytest -p no:cacheprovider tests/queueserver
endif

.venv-queueserver/.ready: Makefile
	$(PYTHON) -m venv .venv-queueserver
	.venv-queueserver/bin/pip install --quiet bluesky-queueserver==0.0.25 bluesky-queueserver-api==0.0.13 bluesky-httpserver==0.0.14 pandas==3.1.1
	@touch $@

# schemathesis is a plugin of pytest's, too, and would slow every test down that has nothing to do with it.
check-http: $(VENV)/.test .venv-schemathesis/.ready   ## the HTTP server against whatever its schema allows, and forbids
	FLOWLAB_SCHEMATHESIS="$(CURDIR)/.venv-schemathesis/bin/schemathesis" $(BIN)/python -m pytest -p no:cacheprovider tests/flowlab/web/test_schema.py

.venv-schemathesis/.ready: Makefile
	$(PYTHON) -m venv .venv-schemathesis
	.venv-schemathesis/bin/pip install --quiet schemathesis==4.32.5
	@touch $@

# McSAS3 wants other versions than flowlab; it fits the same curves to the same χ²; each has one core.
bench-mcsas3: $(VENV)/.test .venv-mcsas3/.ready   ## size distributions beside McSAS3's, some minutes
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 FLOWLAB_MCSAS3="$(CURDIR)/.venv-mcsas3/bin/python" $(BIN)/python -m benchmarks mcsas3

.venv-mcsas3/.ready: Makefile
	$(PYTHON) -m venv .venv-mcsas3
	.venv-mcsas3/bin/pip install --quiet mcsas3==1.0.6
	@touch $@

lock: pyproject.toml                ## renew constraints.txt from the newest versions that fit pyproject.toml
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --upgrade '.[all,test]'
	.venv-lock/bin/pip freeze --exclude flowlab | grep -v ' @ ' > constraints.txt
	rm -rf .venv-lock

clean:
	rm -rf $(VENV) .venv-nexus .venv-tickit .venv-mcsas3 .venv-queueserver .venv-schemathesis .venv-chromium dist build .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "flowlab needs Python 3.11 or newer; name one with: make PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "flowlab needs Python's venv; on Debian: apt install python3-venv" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# What builds flowlab is pinned, too; older pips take the constraints for it from the one variable, newer from the other.
$(VENV)/.run $(VENV)/.test: export PIP_CONSTRAINT := constraints.txt
$(VENV)/.run $(VENV)/.test: export PIP_BUILD_CONSTRAINT := constraints.txt

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet -e '.[$(RUN_EXTRAS)]'
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet -e '.[$(TEST_EXTRAS)]'
	@touch $@ $(VENV)/.run
