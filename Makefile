# Plain `make` prints this help. Nothing needs to be activated: the recipes use .venv/bin.
PYTHON ?= python3
CORES ?= 2
SEED ?= 0
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SITE := $(VENV)/.docs
EXTRAS := dev,braindive
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-realdata test-gpu test-kernels mutants check format bench constraints docs cluster-test container-test chaos clean

help: ## print this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 20

$(STAMP): constraints.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "$(PYTHON): not found; install Python >= 3.11 or say make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"$(PYTHON) is Python {v[0]}.{v[1]}; neuro needs >= 3.11: make PYTHON=/path/to/python3.11")'
	@$(PYTHON) -m venv $(VENV) || { echo "python venv failed; on Debian or Ubuntu install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

# What builds the site is an extra of its own (25 MB): pip install -c constraints.txt -e '.[docs]'
$(SITE): $(STAMP)
	python -c 'import sphinx, myst_parser, numpydoc, sphinx_gallery, pydata_sphinx_theme' 2>/dev/null || python -m pip install -q -c constraints.txt -e '.[docs]'
	@touch $@

demo: $(STAMP) ## install on first use, run all stages on simulated data, end with the report
	snakemake --cores $(CORES)
	@echo "Report: $(CURDIR)/results/report/index.html"

test: $(STAMP) ## install on first use, run the tests (under 12 minutes on 2 cores)
	python -m pytest -n auto -m "not slow and not realdata and not cluster and not gpu"

test-all: $(SITE) ## all tests, slow ones and real data included
	python -m pytest -n auto -m "not cluster and not gpu"

test-realdata: $(STAMP) ## tests on the real recordings, slow ones included (MARK="realdata and not slow")
	python -m pytest -n auto -m "$(or $(MARK),realdata)"

test-gpu: $(STAMP) ## tests that need a CUDA device, and its benchmark (10 minutes; skipped elsewhere)
	python -m pytest -m gpu tests
	python benchmarks/braindive_gpu.py --out benchmarks/results/braindive_gpu.md

test-kernels: $(STAMP) ## rules and one seed per stage under other processors' kernels (KERNELS="...")
	python tests/kernels/kernels.py $(KERNELS)

mutants: $(STAMP) ## plant faults in neuro/ and count those the tests notice (SEED=1 N=300)
	python tests/mutants/mutants.py --seed $(or $(SEED),1) --n $(or $(N),300)

check: $(STAMP) ## lint, format and type gates
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check .
	snakemake --lint

format: $(STAMP) ## format Python and Snakemake files
	ruff check --fix .
	ruff format .
	snakefmt .

docs: $(SITE) ## regenerate schema, config.yaml, tables, charts; build the site in build/site (GALLERY=0: no example runs)
	python -m neuro.config
	python docs/rulegraph.py
	python docs/rooms.py
	python -m sphinx -W --keep-going -b html -D plot_gallery=$(or $(GALLERY),1) docs build/site
	@echo "Site: $(CURDIR)/build/site/index.html"

bench: $(STAMP) ## run all benchmarks beside their peers, one table in docs/benchmarks.md
	python -m pip install -q -c constraints.txt -e '.[bench]'
	python benchmarks/voxel_graphs.py --out benchmarks/results/voxel_graphs.md
	python benchmarks/voxel_graphs.py --sizes 20000 91282 --volumes 490 --networkx-limit 0 --peer-limit 0 --out benchmarks/results/grayordinate_graphs.md
	python benchmarks/surfaces.py --out benchmarks/results/surfaces.md
	python benchmarks/clean.py --out benchmarks/results/clean.md
	python benchmarks/group_inference.py --out benchmarks/results/group_inference.md
	python benchmarks/maps.py --out benchmarks/results/maps.md
	python benchmarks/strategies.py --out benchmarks/results/strategies.md
	python -m venv .venv-peers
	.venv-peers/bin/python -m pip install -q -r benchmarks/demovae_peers.txt
	python benchmarks/demovae.py --peers .venv-peers/bin/python --out benchmarks/results/demovae.md
	python -m venv .venv-peers/sites
	.venv-peers/sites/bin/python -m pip install -q -r benchmarks/referee_peers.txt
	python benchmarks/referee.py --peers .venv-peers/sites/bin/python --out benchmarks/results/referee.md
	python benchmarks/demovae_recovery.py --out benchmarks/results/demovae_recovery.md
	python benchmarks/demovae_real.py --out benchmarks/results/demovae_real.md
	python benchmarks/demovae_readouts.py --out benchmarks/results/demovae_readouts.md
	python benchmarks/demovae_memory.py --sizes 500x116 2000x116 4000x40 --out benchmarks/results/demovae_memory.md
	python -m venv .venv-peers/switching
	.venv-peers/switching/bin/python -m pip install -q -r benchmarks/hmmglm_peers.txt
	python -m venv .venv-peers/onestate
	.venv-peers/onestate/bin/python -m pip install -q -r benchmarks/nemos_peers.txt
	python benchmarks/hmmglm.py --nemos .venv-peers/onestate/bin/python --one-state --out benchmarks/results/hmmglm_onestate.md
	python benchmarks/hmmglm.py --peers .venv-peers/switching/bin/python --nemos .venv-peers/onestate/bin/python --paper --out benchmarks/results/hmmglm.md
	python benchmarks/hmmglm_masks.py --out benchmarks/results/hmmglm_masks.md
	python benchmarks/hmmglm_curves.py --out benchmarks/results/hmmglm_curves.md
	python benchmarks/hmmglm_recovery.py planted --out benchmarks/results/hmmglm_recovery.md
	python benchmarks/realign.py --out benchmarks/results/realign.md
	python benchmarks/memory.py --out benchmarks/results/memory.md
	python -m venv .venv-peers/motifs
	.venv-peers/motifs/bin/python -m pip install -q -r benchmarks/ntf_peers.txt
	python benchmarks/ntf.py --peers .venv-peers/motifs/bin/python --out benchmarks/results/ntf.md
	python benchmarks/ntf_memory.py --out benchmarks/results/ntf_memory.md
	python benchmarks/ntf_recovery.py components blocks zero chance recurs bursts --out benchmarks/results/ntf_recovery.md
	python -m pip install -q --no-deps --target .venv-peers/images neuralpredictors==0.3.0
	python benchmarks/mds.py --twin --peer .venv-peers/images --out benchmarks/results/mds.md
	python benchmarks/mds_recovery.py --out benchmarks/results/mds_recovery.md
	python benchmarks/planning.py --out benchmarks/results/planning.md
	python benchmarks/reading.py --out benchmarks/results/reading.md
	python benchmarks/braindive.py --out benchmarks/results/braindive.md
	python benchmarks/equality.py
	python docs/benchmarks.py

cluster-test: $(STAMP) ## tests on a small Slurm cluster on this machine (root; Slurm by apt)
	python tests/cluster/slurm_cluster.py install
	python -m pytest -n 6 --dist=worksteal -m "cluster and not slow" tests/cluster

container-test: $(STAMP) ## the steps of the Dockerfile in a root file system of Debian (root; mmdebstrap; ONLY=some_stages)
	python -m pytest -m slow tests/workflow/test_container_steps.py -k "$(ONLY)"

chaos: $(STAMP) ## break small studies in a random sample of ways, start again and compare (SEED=N)
	python tests/chaos/chaos.py --seed $(SEED) --minutes $(or $(MINUTES),8) $(addprefix --without ,$(WITHOUT))

constraints: ## make a new constraints.txt in a clean environment
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install 'snakemake==9.27.1' 'nilearn==0.13.1' 'torch==2.13.0' -e '.[dev,braindive,bench,docs]'
	.venv-lock/bin/python -m pip check
	{ echo '# All pins of the tested set; made by: make constraints'; .venv-lock/bin/python -m pip freeze --exclude-editable | sed -E 's/^(torch==[0-9.]+)\+.*/\1/'; } > constraints.txt
	rm -rf .venv-lock

clean: ## remove the results and the environment
	rm -rf results .snakemake $(VENV)
