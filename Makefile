# `make demo` and `make test` set up .venv by themselves; a second run starts at once.
# Another interpreter has an environment of its own: make test PYTHON=python3.13
PYTHON ?= python3
VENV   := .venv$(if $(filter-out python3,$(PYTHON)),-$(notdir $(PYTHON)))
BIN    := $(VENV)/bin
EXTRAS := langchain,llamaindex,vllm,datasets,lm-eval,inspect,kafka,rabbitmq,webhooks,otel,cli,cel,glue,models,s3
PIP    := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/pip install --quiet --constraint constraints.txt
INPUTS := pyproject.toml constraints.txt
# Modules are compiled once, not in each of the interpreters that tests start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help installed demo demo-vllm test test-real check bench docs notebooks lint mypy pyright format lock clean
.DEFAULT_GOAL := help

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.pip:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.demo: $(VENV)/.pip $(INPUTS)
	@echo "installing what the demo needs (a few minutes, the first time only)"
	@$(PIP) -e '.[langchain,llamaindex,datasets,lm-eval,webhooks,cli]' --group demo
	@touch $@

$(VENV)/.test: $(VENV)/.pip $(INPUTS)
	@echo "installing what the tests need (a few minutes, the first time only)"
	@$(PIP) -e '.[$(EXTRAS)]' --group test --group lint
	@touch $@ $(VENV)/.demo

$(VENV)/.bench: $(VENV)/.test
	@echo "installing the peers that we measure beside"
	@$(PIP) -e '.[$(EXTRAS)]' --group bench
	@touch $@

$(VENV)/.docs: $(VENV)/.test
	@echo "installing what builds the site"
	@$(PIP) --group docs
	@touch $@

installed: $(VENV)/.test # without running anything

docs: $(VENV)/.docs ## the site, in site/; a broken link is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict && echo "site/index.html"

demo: $(VENV)/.demo ## the main job, on the embedded registry
	@$(BIN)/python -m demo

demo-vllm: $(VENV)/.test ## the middleware in a real vLLM server (several GB, the first time)
	@tests/real/install-vllm
	@$(BIN)/python -m demo.vllm

# One process more than a small machine has cores: a fifth of the time they wait for something.
test: $(VENV)/.test ## the tests that need nothing but PyPI; COVERAGE=1 notes lines, COVERAGE=branches branches too
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(if $(COVERAGE),--cov --cov-report=) $(if $(filter branches,$(COVERAGE)),--cov-branch) -m "not real"

check: $(VENV)/.test ## the quick loop of one module or test: make check T=shared/.../breaker.py
	$(BIN)/python .ci/check $(T)

test-real: $(VENV)/.test ## the tests on RabbitMQ, vLLM, Ray, Spark, a browser, promtool and pre-commit, installed first; no skips
	tests/real/run

bench: $(VENV)/.bench ## side by side with the peers; writes benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks

notebooks: $(VENV)/.test ## run the notebooks, and keep in them what they show
	$(BIN)/python -m tests.support.notebooks

lint: $(VENV)/.test ## ruff, mypy, pyright, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory --jobs 2 --output-sync mypy pyright

mypy: $(VENV)/.test
	$(BIN)/mypy

pyright: $(VENV)/.test
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(VENV)/.test ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(VENV)/.bench ## write constraints.txt from what is installed
	@{ sed -n '/^#/p' constraints.txt; $(BIN)/pip freeze --exclude-editable --exclude llm-integrations; } > constraints.new
	@mv constraints.new constraints.txt

clean: ## remove the environments and caches
	rm -rf .venv .venv-* .mypy_cache .pytest_cache .ruff_cache .hypothesis
