# The open laboratory. The main commands set everything up by themselves:
#   make figure-01      the first figure
#   make figures        all notebooks, headless, into figures/<profile>/
#   make test           everything that can be checked
# Settings: PROFILE=demo|mini|paper|<yours>  JOBS=<n>  PYTHON=<python3.11 to 3.14>  VENV=<folder>
#           TORCH_INDEX=<url>: take torch from there, without NVIDIA's libraries (README: Set-up)
#           LAB_DATA, LAB_CACHE: folders of the data and of what is made from them

PROFILE ?= demo
JOBS    ?= $(shell env -u OMP_NUM_THREADS nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
PYTHON  ?= python3
VENV    ?= .venv

# Blanks in paths: quoted for the shell, escaped in targets.
BLANK    := $(subst ,, )
in-target = $(subst $(BLANK),\$(BLANK),$(1))
IN_CONDA := $(call in-target,$(CONDA_PREFIX)/.category-selectivity-lab)
IN_VENV  := $(call in-target,$(VENV)/.ready)

# An active conda environment (not base) is used as it is.
ifneq ($(filter-out base,$(CONDA_DEFAULT_ENV)),)
  PY    := "$(CONDA_PREFIX)/bin/python"
  READY := $(IN_CONDA)
else
  PY    := "$(VENV)/bin/python"
  READY := $(IN_VENV)
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup doctor figures test test-notebooks test-fast test-all drill-machines drills mutation coverage notebooks exercises rehearse lab zoo bench bench-run bench-scale site lint clean

help: ## show this list
	@awk '/^#/ { sub(/^# ?/, ""); print; next } /^$$/ { exit }' $(firstword $(MAKEFILE_LIST))
	@echo
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(READY) ## create .venv with the exact packages of requirements.lock

# One way for all, with and without make: helpers/setup.py, in plain Python.
SETUP = "$(PYTHON)" -m helpers.setup --quiet --force --venv "$(VENV)" --torch-index "$(TORCH_INDEX)"

$(IN_VENV): requirements.lock requirements.hashes pyproject.toml
	@$(SETUP)

$(IN_CONDA): pyproject.toml environment.yml
	@$(PY) -m helpers.setup --quiet

figures: $(READY) ## run every notebook whose figure is not fresh (PROFILE, JOBS)
	@$(PY) -m helpers.runner --profile "$(PROFILE)" --jobs $(JOBS)

figure-%: $(READY) ## run one notebook, as in: make figure-01 PROFILE=mini
	@$(PY) -m helpers.runner --profile "$(PROFILE)" --only $*

# One thread a process: as many processes as JOBS share the cores.
PYTEST := LAB_HEADLESS=1 TQDM_DISABLE=1 OMP_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS) --dist worksteal
TESTED := data/cache/tested

test: $(READY) ## everything that can fail on your machine: tests, the demo against committed numbers, nbval
	@$(PYTEST) tests -m "not exhaustive"
	@$(MAKE) --no-print-directory test-notebooks

test-notebooks: $(READY) ## run the demo once, compare its numbers with the committed ones, then nbval
	@LAB_FIGURES=$(TESTED) $(PY) -m helpers.runner --profile demo --jobs $(JOBS)
	@LAB_FIGURES=$(TESTED) $(PY) -m pytest tests/notebooks/test_committed_numbers.py
	@LAB_WORKERS=1 $(PYTEST) --dist loadscope --nbval-lax --nbval-current-env --nbval-cell-timeout=900 --nbval-sanitize-with notebooks/nbval.cfg notebooks

test-fast: $(READY) ## the quick tests alone: two to three minutes
	@$(PYTEST) tests -m "not slow and not exhaustive"

test-all: $(READY) ## make test, and what is slow and rarely fails: larger data, more seeds
	@$(PYTEST) tests
	@$(MAKE) --no-print-directory test-notebooks

drill-machines: $(READY) ## run the demo as other processors would; say which verdicts and numbers move
	@$(PY) benchmarks/machines.py

drills: $(READY) ## kill, fill, flip and cut on purpose, in a temporary folder; about half an hour (docs/drills.md)
	@OMP_NUM_THREADS=1 $(PY) benchmarks/drills.py $(DRILLS)

mutation: $(READY) ## change the statistics on purpose; list the changes that no test sees (docs/drills.md)
	@$(PY) -m pip install --quiet --disable-pip-version-check -c requirements.lock -r benchmarks/mutation.txt
	@$(PY) benchmarks/mutation.py $(MUTATION)

coverage: $(READY) ## run the tests of make test; say which lines of helpers none of them reaches
	@mkdir -p build/coverage && $(PY) -m coverage erase
	@$(subst -m pytest,-m coverage run -m pytest,$(PYTEST)) tests -m "not exhaustive"
	@$(PY) -m coverage combine --quiet && $(PY) -m coverage report

notebooks: $(READY) ## run the demo; write the executed notebooks beside their sources, and README's tables
	@$(PY) -m helpers.runner --profile demo --jobs $(JOBS) --publish
	@$(PY) -m docs.pages

exercises: $(READY) ## write the notebooks for students and for teachers into build/
	@$(PY) -m helpers.runner.versions

rehearse: $(READY) ## run every notebook as a student would: each check empty, then solved; measure sections
	@$(PY) -m helpers.runner.versions --rehearse

doctor: ## what this machine can run, and what to do for the rest (PROFILE); no set-up needed
	@if test -x $(PY); then run=$(PY); else run="$(PYTHON)"; fi; \
	"$$run" -m helpers.doctor $(if $(filter file,$(origin PROFILE)),,--profile "$(PROFILE)") $(DOCTOR)

lab: $(READY) ## open JupyterLab
	@PYTORCH_ENABLE_MPS_FALLBACK=1 $(PY) -m jupyter lab notebooks

zoo: $(READY) ## train the demo networks and readouts again from nothing, JOBS at once; goes on where it was interrupted
	@$(PY) -m data.zoo --jobs $(JOBS)

# The site has an environment of its own, without torch: nothing is imported or executed.
SITE := build/site-venv

$(SITE)/.ready: docs/site/requirements.txt
	@"$(PYTHON)" -c 'from helpers.setup import check_version; check_version()'
	@"$(PYTHON)" -m venv "$(SITE)"
	@"$(SITE)/bin/python" -m pip install --quiet --disable-pip-version-check uv || true
	@"$(SITE)/bin/python" -m uv pip install --quiet --python "$(SITE)/bin/python" -r "$<" \
	|| "$(SITE)/bin/python" -m pip install --quiet --disable-pip-version-check -r "$<"
	@touch "$@"

site: $(SITE)/.ready ## build the site from what is committed: build/site/index.html
	@rm -rf build/site
	@"$(SITE)/bin/python" docs/site/pages.py
	@"$(SITE)/bin/python" -m sphinx -q -W --keep-going -j $(JOBS) -c docs/site build/site-source build/site
	@"$(SITE)/bin/python" docs/site/links.py build/site && touch build/site/.whole
	@echo "build/site/index.html"

bench: $(READY) ## measure the methods of all papers: ratios in one run, about 35 minutes
	@$(PY) benchmarks/localizer.py
	@$(PY) benchmarks/lesions.py
	@$(PY) benchmarks/encoding.py
	@$(PY) benchmarks/finetuning.py
	@$(PY) benchmarks/landscape.py
	@$(PY) benchmarks/decoding.py
	@$(PY) benchmarks/concepts.py

bench-run: $(READY) ## measure a cold and a warm run of all notebooks: by notebook, by kind of work
	@$(PY) benchmarks/whole_run.py --profile "$(PROFILE)"

bench-scale: $(READY) ## measure what the published size needs: memory, disk, hours; about ten minutes, 5 GB
	@$(PY) benchmarks/paper_scale.py --write

lint: $(READY) ## check style
	@$(PY) -m ruff check helpers data tests benchmarks docs
	@PATH="$$(dirname $(PY)):$$PATH" lint-imports --no-cache

clean: ## remove what was made from data; data and environment stay
	rm -rf data/cache figures/*/.staging-* figures/*/*.ipynb
