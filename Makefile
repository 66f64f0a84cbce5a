# Each target sets up what it needs in .venv, with nothing but python3, its venv and pip.
# Another Python: `make clean`, then `make test PYTHON=python3.13`.

PYTHON ?= python3
ARGS ?=
TRACES ?=

BIN := .venv/bin
TYPED := cachelayer $(wildcard integrations/*/) $(wildcard tests/typing)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test check bench transparency format clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 14

demo: .venv/.demo ## show cachelayer at work; options: ARGS=--once
	$(BIN)/cachelayer demo $(ARGS)

test: .venv/.test ## run the tests on the tree, the wheel and other Pythons; only some: STAGES='tree wheel'
	$(BIN)/python tools/test.py $(STAGES)

check: .venv/.lint ## check format, lint, types, architecture and packaging
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy $(TYPED)
	$(BIN)/pyright $(TYPED)
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest --quiet tests/packaging/test_tree.py

bench: .venv/.bench ## run the benchmarks; replay the cache traces of a folder: TRACES=folder
	CACHELAYER_TRACES='$(abspath $(TRACES))' $(BIN)/python -m pytest tests/benchmarks \
	    --override-ini "python_files=bench_*.py" --override-ini "python_functions=bench_*" --timeout 0 --verbose --capture no $(ARGS)

transparency: .venv/.test ## run the tests of frameworks with the middleware and without; needs network; only some: SUITES='flask falcon'
	$(BIN)/python tools/transparency/run.py $(SUITES)

format: .venv/.lint ## format the code and mend what the linter can mend
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

clean: ## remove environments, builds and caches
	rm -rf .venv .venvs build dist htmlcov .benchmarks .coverage .coverage.* \
	    .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp for each set of packages; all share one environment, and a changed pyproject.toml brings it up to date.
.venv/.demo: WITH := -e '.[cli]'
.venv/.test: WITH := -e '.[all]' --group test
.venv/.lint: WITH := -e '.[all]' --group lint
.venv/.bench: WITH := -e '.[all]' --group bench
.venv/.%: pyproject.toml
	tools/venv.sh .venv $(PYTHON) $(WITH)
	@touch $@
