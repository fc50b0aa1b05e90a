# Plain `make` prints this help. Nothing needs to be activated: the recipes use .venv/bin.
PYTHON ?= python3
CORES ?= 2
SEED ?= 0
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRAS := dev,braindive
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-realdata test-kernels mutants check format bench constraints docs cluster-test chaos clean

help: ## print this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 20

$(STAMP): constraints.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "$(PYTHON): not found; install Python >= 3.11 or say make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"$(PYTHON) is Python {v[0]}.{v[1]}; neuro needs >= 3.11: make PYTHON=/path/to/python3.11")'
	@$(PYTHON) -m venv $(VENV) || { echo "python venv failed; on Debian or Ubuntu install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

demo: $(STAMP) ## install on first use, run all stages on simulated data, end with the report
	snakemake --cores $(CORES)
	@echo "Report: $(CURDIR)/results/report/index.html"

test: $(STAMP) ## install on first use, run the tests (under 12 minutes on 2 cores)
	python -m pytest -n auto -m "not slow and not realdata and not cluster and not gpu"

test-all: $(STAMP) ## all tests, slow ones and real data included
	python -m pytest -n auto -m "not cluster and not gpu"

test-realdata: $(STAMP) ## tests on the real recordings, slow ones included (MARK="realdata and not slow")
	python -m pytest -n auto -m "$(or $(MARK),realdata)"

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

docs: $(STAMP) ## regenerate schema, config.yaml, option tables, charts and the API page
	python -m neuro.config
	python docs/rulegraph.py
	python docs/rooms.py
	python docs/api.py

bench: $(STAMP) ## run all benchmarks beside their peers, one table in docs/benchmarks.md
	python -m pip install -q -c constraints.txt -e '.[bench]'
	python benchmarks/voxel_graphs.py --out benchmarks/results/voxel_graphs.md
	python benchmarks/clean.py --out benchmarks/results/clean.md
	python -m venv .venv-peers
	.venv-peers/bin/python -m pip install -q -r benchmarks/demovae_peers.txt
	python benchmarks/demovae.py --peers .venv-peers/bin/python --out benchmarks/results/demovae.md
	python benchmarks/demovae_recovery.py --out benchmarks/results/demovae_recovery.md
	python -m venv .venv-peers/switching
	.venv-peers/switching/bin/python -m pip install -q -r benchmarks/hmmglm_peers.txt
	python benchmarks/hmmglm.py --peers .venv-peers/switching/bin/python --paper --out benchmarks/results/hmmglm.md
	python benchmarks/hmmglm_recovery.py planted --out benchmarks/results/hmmglm_recovery.md
	python benchmarks/realign.py --out benchmarks/results/realign.md
	python benchmarks/memory.py --out benchmarks/results/memory.md
	python -m venv .venv-peers/motifs
	.venv-peers/motifs/bin/python -m pip install -q -r benchmarks/ntf_peers.txt
	python benchmarks/ntf.py --peers .venv-peers/motifs/bin/python --out benchmarks/results/ntf.md
	python benchmarks/ntf_memory.py --out benchmarks/results/ntf_memory.md
	python benchmarks/ntf_recovery.py components blocks zero --out benchmarks/results/ntf_recovery.md
	python benchmarks/mds.py --twin --out benchmarks/results/mds.md
	python benchmarks/mds_recovery.py --out benchmarks/results/mds_recovery.md
	python benchmarks/planning.py --out benchmarks/results/planning.md
	python benchmarks/reading.py --out benchmarks/results/reading.md
	python benchmarks/braindive.py --out benchmarks/results/braindive.md
	python benchmarks/equality.py
	python docs/benchmarks.py

cluster-test: $(STAMP) ## tests on a small Slurm cluster on this machine (root; Slurm by apt)
	python tests/cluster/slurm_cluster.py install
	python -m pytest -n 6 --dist=worksteal -m "cluster and not slow" tests/cluster

chaos: $(STAMP) ## break small studies in a random sample of ways, start again and compare (SEED=N)
	python tests/chaos/chaos.py --seed $(SEED) --minutes $(or $(MINUTES),8)

constraints: ## make a new constraints.txt in a clean environment
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install 'snakemake==9.27.1' 'nilearn==0.13.1' 'torch==2.13.0' -e '.[dev,braindive,bench]'
	.venv-lock/bin/python -m pip check
	{ echo '# All pins of the tested set; made by: make constraints'; .venv-lock/bin/python -m pip freeze --exclude-editable | sed -E 's/^(torch==[0-9.]+)\+.*/\1/'; } > constraints.txt
	rm -rf .venv-lock

clean: ## remove the results and the environment
	rm -rf results .snakemake $(VENV)
