# Every target sets up .venv first (tools/venv); nothing outside this folder is touched.
# PYTHON=python3.12 chooses the interpreter, ARGS=... goes to pytest.

PY := .venv/bin/python
JOBS ?= 2
ARGS ?=

.PHONY: help venv demo simulate faults test test-oldest schemas man check lint format types screenshots bench constraints dist clean

help:
	@echo "make demo         a living console on a throw-away agent root; no key, no network"
	@echo "make test         all tests (ARGS='tests/core -k breaker' picks some)"
	@echo "make test-oldest  the core's tests with the oldest versions that are supported"
	@echo "make simulate     1,000 simulated days: crashes, power cuts, faults, operators"
	@echo "make faults       a fleet's faults and scale, with those that take minutes"
	@echo "make check        ruff, mypy --strict, all tests"
	@echo "make screenshots  draw the pictures of each screen anew"
	@echo "make bench        measure; figures only, no verdict"
	@echo "make schemas      write docs/schemas/ anew from the types"
	@echo "make man          write docs/maestro-tui.1 anew from the commands"
	@echo "make constraints  pin the newest and the oldest versions of every package (needs uv)"
	@echo "make dist         wheel and sdist in dist/"
	@echo "make clean        remove .venv, .venv-oldest, dist and caches"

venv:
	@MAKECMDGOALS="$(MAKECMDGOALS)" PYTHON="$(PYTHON)" tools/venv

demo: venv
	@.venv/bin/maestro-tui demo

test: venv
	env -u PYTHONUNBUFFERED $(PY) -m pytest -q -n $(JOBS) --dist loadgroup $(ARGS)

# The core part: what the newest Textual draws is no matter of the oldest one.
test-oldest:
	@VENV=.venv-oldest CONSTRAINTS=constraints-oldest.txt PYTHON="$(PYTHON)" tools/venv
	.venv-oldest/bin/python -m pytest -q -n $(JOBS) --dist loadgroup $(or $(ARGS),tests/core)

schemas: venv
	$(PY) -m tools.schemas

man: venv
	$(PY) -m tools.man

simulate: venv
	$(PY) -m tests.simulation

faults: venv
	env -u PYTHONUNBUFFERED $(PY) -m pytest -q -m "long or not long" tests/fleet $(ARGS)

check: lint types test

lint: venv
	$(PY) -m ruff check .

format: venv
	$(PY) -m ruff format .

types: venv
	$(PY) -m mypy

screenshots: venv
	$(PY) -m tests.tui.screenshots
	$(PY) -m tests.tui.tour

bench: venv
	@set -e; for one in $$(grep -l __main__ bench/*.py); do \
	  echo "== $$one"; PYTHONPATH=. $(PY) $$one; done

constraints:
	@command -v uv >/dev/null || { echo "make constraints needs uv: pipx install uv" >&2; exit 1; }
	$(COMPILE) -o constraints.txt
	$(COMPILE) --resolution lowest-direct -o constraints-oldest.txt

COMPILE = uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
  --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --upgrade -q

dist: venv
	$(PY) -m hatchling build

clean:
	rm -rf .venv .venv-oldest dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
