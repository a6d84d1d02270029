# Everything here sets itself up: Python 3.11+, pip and make are all it needs.

PYTHON ?= python3
PYTHONS ?= $(foreach minor,11 12 13,$(shell python3.$(minor) -c 'import sys; print(sys.executable)' 2>/dev/null))
DEMO_BOOK := demo/the-rabbit-hole.pdf

# An environment works with the Python that made it and no other. So a PYTHON that is named and has another version than
# .venv gets an environment of its own, and one whose Python was replaced by another version is made anew.
ASK_VERSION := -c 'import platform; print(platform.python_version())'
PYTHON_VERSION := $(shell $(PYTHON) $(ASK_VERSION) 2>/dev/null)
VENV_VERSION := $(shell .venv/bin/python $(ASK_VERSION) 2>/dev/null)
ifeq ($(origin PYTHON),file)
VENV := .venv
VERSION := $(or $(VENV_VERSION),$(PYTHON_VERSION))
else
$(if $(PYTHON_VERSION),,$(error PYTHON=$(PYTHON) cannot be started: name a Python 3.11 or later, as in PYTHON=python3.12))
VENV := $(if $(filter-out $(PYTHON_VERSION),$(VENV_VERSION)),.venv-$(PYTHON_VERSION),.venv)
VERSION := $(PYTHON_VERSION)
endif
BIN := $(VENV)/bin
VENV_STAMP := $(VENV)/.leafmark-python-$(VERSION)
RUN_STAMP := $(VENV)/.leafmark-run
DEV_STAMP := $(VENV)/.leafmark-dev

# As a module, so that the hook finds docs_tools. Not --quiet: warnings that are not shown are no errors either. The
# variable silences an advertisement of the theme's.
BUILD_SITE := NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --site-dir build/site

PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL_FAILED := The packages cannot be installed into $(VENV), which has Python $(VERSION): the lines above name the \
	package, and $(VENV)/install.log has all of them. Correct that and run make again, or name another Python, as in \
	PYTHON=python3.12

# Tests start processes by the hundred. Where an environment forbids to keep compiled code, each would compile all of it.
export PYTHONDONTWRITEBYTECODE :=

# The slow ones first: they run two at a time.
CHECKS := $(addprefix check-,types tests docs style words imports compose)

.DEFAULT_GOAL := help
.PHONY: help demo demo-llm run test test-matrix lint docs generate bench chaos clean
.PHONY: $(CHECKS)

help:
	@echo "make demo             OCR a sample book on this machine, with nothing else set up"
	@echo "make demo-llm         the same book through all four stages, with a language model that is played by a script"
	@echo "make run SCAN=x.pdf   the same with a book of your own (PDF or folder of page images)"
	@echo "make test             every check and test"
	@echo "make test PYTHON=python3.12"
	@echo "                      the same with another Python, in an environment of its own"
	@echo "make test-matrix      the same with each of Python 3.11, 3.12 and 3.13 that is on PATH; or PYTHONS='...'"
	@echo "make docs             the documentation as a site, in build/site"
	@echo "make generate         write the files that are made from the code again: reference pages, schemas, queues"
	@echo "make bench            the figures of docs/explanation/performance.md and benchmarks/README.md, measured here"
	@echo "make chaos SECONDS=60 SEED=1 WORKERS=4"
	@echo "                      faults at random on real workers, and a verdict; without SEED another plan each time"
	@echo "make chaos MODE=llm   the same for the stages that ask a model, and the provider's bill is the judge"
	@echo "make clean            remove what these made (.venv*, the sample book, build/site); your books stay"

demo: $(RUN_STAMP) $(DEMO_BOOK)
	@LEAFMARK_STORAGE_ROOT="$(CURDIR)/demo/scans" $(BIN)/producer run $(DEMO_BOOK)

demo-llm: $(RUN_STAMP) $(DEMO_BOOK)
	@LEAFMARK_STORAGE_ROOT="$(CURDIR)/demo/scans" $(BIN)/python -m sample.with_provider --trouble 0.1 \
		$(BIN)/producer run $(DEMO_BOOK) --through structure --budget 1.00

run: $(RUN_STAMP)
	@test -n "$(SCAN)" || { echo "make run: say which book: make run SCAN=my-book.pdf" >&2; exit 2; }
	@$(BIN)/producer run "$(SCAN)"

test: lint
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

test-matrix:
	@test -n "$(PYTHONS)" || { echo "make test-matrix: name Pythons: PYTHONS='python3.11 python3.12'" >&2; exit 2; }
	@set -e; for python in $(PYTHONS); do $(MAKE) --no-print-directory test PYTHON="$$python"; done
	@echo "Passed with: $(PYTHONS)"

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

check-words:
	$(BIN)/python -m docs_tools.idioms

check-imports:
	$(BIN)/lint-imports

check-compose:
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

docs: $(DEV_STAMP)
	@$(BUILD_SITE)
	@echo "The documentation is in build/site/index.html; to read it with its search: $(BIN)/python -m mkdocs serve"

generate: $(DEV_STAMP)
	@for each in pages schemas metrics_table deploy_files; do $(BIN)/python -m docs_tools.$$each || exit 1; done

bench: $(DEV_STAMP)
	$(BIN)/python -m benchmarks

SECONDS ?= 60
WORKERS ?= 4
MODE ?= work
chaos: $(DEV_STAMP)
	@$(BIN)/python -m chaos --seconds $(SECONDS) --workers $(WORKERS) --mode $(MODE) $(if $(SEED),--seed $(SEED))

clean:
	rm -rf .venv .venv-3.* build/site
	@$(PYTHON) -I sample/clean.py demo

# The sample book is the same every time, so a finished demo has nothing left to do.
$(DEMO_BOOK): $(RUN_STAMP) $(wildcard sample/*.py)
	@mkdir -p demo
	@echo "Making the sample book ..." >&2
	@$(BIN)/python -m sample $@ >/dev/null

$(VENV_STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Leafmark needs Python 3.11 or later, and $(PYTHON) is $(or $(PYTHON_VERSION),not there):" \
			"name another one, as in PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up $(VENV) with Python $(VERSION) ..." >&2
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(RUN_STAMP): pyproject.toml constraints.txt | $(VENV_STAMP)
	@$(call install,-c constraints.txt -e '.[sample]')
	@touch $@

# constraints.txt pins every package, so pip has nothing to resolve, which would take half of the time; `pip check` then
# finds a package that is missing there.
$(DEV_STAMP): pyproject.toml constraints.txt | $(VENV_STAMP)
	@$(call install,--no-deps -r constraints.txt -e .)
	@$(PIP) check >$(VENV)/check.log || { cat $(VENV)/check.log >&2; \
		echo "The pins of constraints.txt do not fit pyproject.toml: correct those that the lines above name" >&2; exit 1; }
	@touch $(RUN_STAMP) $@

# Not --quiet: pip would not print which package cannot be installed.
define install
$(PIP) install --no-compile --progress-bar off $(1) >$(VENV)/install.log 2>&1 || { \
	tail -n 20 $(VENV)/install.log >&2; echo "$(INSTALL_FAILED)" >&2; exit 1; }
endef
