# `make demo` and `make test` do all the set-up on a fresh machine.
BIN := .venv/bin

.PHONY: help setup demo test test-tokens lint types mutants unit fuzz bench docs format clean

help:
	@echo 'make demo    see it work: token, operator, account, user, a message through a real nats-server'
	@echo 'make test    lint, types and the whole test suite'
	@echo 'make test MODULE=…  the same on another build of SoftHSM'
	@echo 'make test-tokens  the token tests, and each PKCS#11 library that the distribution has'
	@echo 'make fuzz    all readers, spoiled bytes, a minute each (SECONDS=…, NAMES="jwt")'
	@echo 'make bench   measured ratios, side by side'
	@echo 'make docs    write the pages that follow from the code'
	@echo 'make format  format the code'

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

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

mutants: setup
	$(BIN)/python tests/mutate_rules.py

# Eight workers on any machine: much of the suite waits, for servers and for the second of the next jwt.
unit: setup
	$(BIN)/pytest -n 8 -q

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

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
