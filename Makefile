# Everything here sets itself up: Python 3.11+, pip and make are all it needs.

PYTHON ?= python3
BIN := .venv/bin
RUN_STAMP := .venv/.leafmark-run
DEV_STAMP := .venv/.leafmark-dev
DEMO_BOOK := demo/the-rabbit-hole.pdf

# As a module, so that the hook finds docs_tools. Not --quiet: warnings that are not shown are no errors either. The
# variable silences an advertisement of the theme's.
BUILD_SITE := NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --site-dir build/site

INSTALL := $(BIN)/pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt

# Tests start processes by the hundred. Where an environment forbids to keep compiled code, each would compile all of it.
export PYTHONDONTWRITEBYTECODE :=

# The slow ones first: they run two at a time.
CHECKS := $(addprefix check-,types tests docs style imports compose)

.DEFAULT_GOAL := help
.PHONY: help demo demo-llm run test lint docs bench chaos clean
.PHONY: $(CHECKS)

help:
	@echo "make demo             OCR a sample book on this machine, with nothing else set up"
	@echo "make demo-llm         the same book through all four stages, with a language model that is played by a script"
	@echo "make run SCAN=x.pdf   the same with a book of your own (PDF or folder of page images)"
	@echo "make test             every check and test"
	@echo "make docs             the documentation as a site, in build/site"
	@echo "make bench            the figures of docs/performance.md, measured here"
	@echo "make chaos SECONDS=60 SEED=1 WORKERS=4"
	@echo "                      faults at random on real workers, and a verdict; without SEED another plan each time"
	@echo "make chaos MODE=llm   the same for the stages that ask a model, and the provider's bill is the judge"
	@echo "make clean            remove what these made (.venv, demo, build/site)"

demo: $(RUN_STAMP) $(DEMO_BOOK)
	@LEAFMARK_STORAGE_ROOT=demo/scans $(BIN)/producer run $(DEMO_BOOK)

demo-llm: $(RUN_STAMP) $(DEMO_BOOK)
	@LEAFMARK_STORAGE_ROOT=demo/scans $(BIN)/python -m sample.with_provider --trouble 0.1 \
		$(BIN)/producer run $(DEMO_BOOK) --through structure --budget 1.00

run: $(RUN_STAMP)
	@test -n "$(SCAN)" || { echo "make run: say which book: make run SCAN=my-book.pdf" >&2; exit 2; }
	@$(BIN)/producer run "$(SCAN)"

test: lint
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

lint: $(DEV_STAMP)
	@$(MAKE) --no-print-directory --jobs 2 --output-sync $(CHECKS)

$(CHECKS): $(DEV_STAMP)

check-types:
	$(BIN)/mypy

# It leaves them compiled for those who run them: four processes would each compile them all.
check-tests:
	@found=$$($(BIN)/python -m pytest --collect-only -qqq) || { echo "$$found"; exit 1; }

check-docs:
	$(BUILD_SITE)

check-style:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check-imports:
	$(BIN)/lint-imports

check-compose:
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

docs: $(DEV_STAMP)
	@$(BUILD_SITE)
	@echo "The documentation is in build/site/index.html; to read it with its search: $(BIN)/python -m mkdocs serve"

bench: $(DEV_STAMP)
	$(BIN)/python -m benchmarks

SECONDS ?= 60
WORKERS ?= 4
MODE ?= work
chaos: $(DEV_STAMP)
	@$(BIN)/python -m tests.chaos --seconds $(SECONDS) --workers $(WORKERS) --mode $(MODE) $(if $(SEED),--seed $(SEED))

clean:
	rm -rf .venv demo build/site

# The sample book is the same every time, so a finished demo has nothing left to do.
$(DEMO_BOOK): $(RUN_STAMP) $(wildcard sample/*.py)
	@mkdir -p demo
	@echo "Making the sample book ..." >&2
	@$(BIN)/python -m sample $@ >/dev/null

$(BIN)/pip:
	@echo "Setting up .venv ..." >&2
	@$(PYTHON) -m venv .venv

$(RUN_STAMP): pyproject.toml constraints.txt | $(BIN)/pip
	@$(INSTALL) -e '.[sample]'
	@touch $@

# All of the above is among what this installs; installed one after the other they take half as long again.
$(DEV_STAMP): pyproject.toml constraints.txt | $(BIN)/pip
	@$(INSTALL) -e '.[dev]'
	@touch $(RUN_STAMP) $@
