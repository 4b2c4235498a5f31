# `make run` starts everything and shows what it does; `make help` lists the rest.

VENV     ?= .venv
DEV_VENV ?= .venv-dev
PYTHON   ?=
PIP_ARGS ?=
# every process of the suite has a PostgreSQL and a Redis of its own, and waits for them half of the time
PROCESSES ?= 2

BIN     = $(VENV)/bin
DEV_BIN = $(DEV_VENV)/bin
SOURCES = shared api worker inkqueue training migrations tests

# only what is given is passed on, so that the program's own defaults and the caller's environment hold
export_if_given = $(if $(1),$(2)='$(1)')
UP_ENV = $(call export_if_given,$(PORT),INKQUEUE_PORT) $(call export_if_given,$(WORKERS),INKQUEUE_WORKERS) \
         $(call export_if_given,$(INKQUEUE_HOME),INKQUEUE_HOME)

.DEFAULT_GOAL := help
.PHONY: help run test check format bench chaos contract fuzz wheel clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

run: $(VENV)/.installed  ## start everything, read the sample images, serve until Ctrl-C (PORT= INKQUEUE_HOME= WORKERS=)
	@exec env $(UP_ENV) $(BIN)/inkqueue up --sample --stop-with-parent

test: $(DEV_VENV)/.installed  ## run the whole suite (PROCESSES= ARGS= for pytest)
	@exec $(DEV_BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(DEV_VENV)/.installed  ## format, lint, types, import contracts, migrations, documents
	$(DEV_BIN)/ruff format --check .
	$(DEV_BIN)/ruff check .
	$(DEV_BIN)/mypy --strict shared api worker inkqueue migrations training deploy benchmarks examples
	$(DEV_BIN)/lint-imports
	$(DEV_BIN)/python -m pytest -q -m check $(ARGS)

format: $(DEV_VENV)/.installed  ## format the code and repair what the linter can
	$(DEV_BIN)/ruff format .
	$(DEV_BIN)/ruff check --fix .

bench: $(DEV_VENV)/.installed  ## measure throughput and latency, with the limit beside them
	@exec $(DEV_BIN)/python -m benchmarks $(ARGS)

chaos: $(DEV_VENV)/.installed  ## break the service while it works, then count (SEED= LONG=1 REPEAT=24 ARGS=)
	@exec $(DEV_BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(LONG),--long) \
	  $(if $(REPEAT),--repeat $(REPEAT)) $(ARGS)

contract: $(DEV_VENV)/.installed  ## hold the running service to its OpenAPI document with Schemathesis (ARGS=)
	@exec $(DEV_BIN)/python -m benchmarks.contract $(ARGS)

fuzz: $(DEV_VENV)/.installed  ## send a million broken inputs to every reader of ours (ARGS=)
	@exec $(DEV_BIN)/python -m benchmarks.fuzz $(ARGS)

wheel: $(DEV_VENV)/.installed  ## build the wheel into dist/
	@exec $(DEV_BIN)/python -m build --wheel --no-isolation

clean:  ## remove what was built; data in INKQUEUE_HOME stays
	rm -rf $(VENV) $(DEV_VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# the environment of `make run` installs no torch; that of tests and checks does
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(call install,$(VENV),local)

$(DEV_VENV)/.installed: pyproject.toml constraints.txt
	@$(call install,$(DEV_VENV),dev$(comma)training)

comma := ,

# an environment whose interpreter is gone or too old is made anew; compiling on all cores is quicker than pip's way
define install
set -e; \
good='import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))'; \
if ! $(1)/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
  chosen=''; \
  for candidate in $(or $(PYTHON),python3.11 python3.12 python3 python3.13 python3.14); do \
    if $$candidate -c "$$good" >/dev/null 2>&1; then chosen=$$candidate; break; fi; \
  done; \
  if [ -z "$$chosen" ]; then \
    echo 'inkqueue needs Python 3.11 or newer with the modules venv and ensurepip.' >&2; \
    echo 'Found: '"$$($(or $(PYTHON),python3) --version 2>&1 || echo no python3)"'.' >&2; \
    echo 'Debian and Ubuntu: apt install python3-venv. Another interpreter: make $@ PYTHON=/path/to/python3.12' >&2; \
    exit 1; \
  fi; \
  echo "Making $(1) with $$($$chosen --version) …"; \
  rm -rf $(1); $$chosen -m venv $(1); \
fi; \
echo 'Installing inkqueue[$(2)] into $(1) (only when its dependencies change) …'; \
$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile $(PIP_ARGS) \
  -c constraints.txt -e '.[$(2)]'; \
$(1)/bin/python -m compileall -q -j 0 -x '/(tests?|testing|pip|setuptools|torch|torchvision)/' $(1)/lib || true; \
touch $(1)/.installed
endef
