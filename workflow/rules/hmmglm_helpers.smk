# Helper functions of the stage hmmglm.
from neuro.config import hmmglm_sets
from neuro.config.checks import covariates as hmmglm_beside

HMMGLM_SETS = (
    hmmglm_sets.sets(config["hmmglm"], _RUNS) if config["hmmglm"]["enabled"] else {}
)


def hmmglm_settings(*keys):
    """Params function: the named keys of the section, and the input of the set."""

    def find(wildcards):
        source, _ = HMMGLM_SETS[wildcards.dataset]
        values = {**settings("hmmglm", *keys), "input": source}
        if "covariates" in keys:
            values["covariates"] = hmmglm_covariates(wildcards.dataset)
        return values

    return find


def hmmglm_covariates(dataset):
    """Covariates of a set; only recordings of spikes have some."""
    if HMMGLM_SETS[dataset][0] != "spikes":
        return {}
    return hmmglm_beside.of_set(config["hmmglm"]["covariates"], dataset)


def hmmglm_bin_inputs(wildcards):
    """What the counts of a set are made from."""
    source, files = HMMGLM_SETS[wildcards.dataset]
    if source == "spikes":
        given = config["hmmglm"]["covariates"]
        return {
            "files": files,
            "covariates": hmmglm_beside.files_of(given, wildcards.dataset),
        }
    if source != "fmri":
        return {"files": files}
    inputs = {"series": "results/fmri/timeseries.h5"}
    if not from_tables():
        inputs["outliers"] = [run_file("fmri", key, "outliers.tsv") for key in files]
    return inputs


def hmmglm_runs(wildcards):
    """Run keys of a set of region series; none for spikes."""
    source, files = HMMGLM_SETS[wildcards.dataset]
    return files if source == "fmri" else []


def hmmglm_truth(wildcards):
    """The planted truth, where there is one."""
    simulated = HMMGLM_SETS[wildcards.dataset][0] == "simulated"
    return ["results/simulated/spikes_truth.npz"] if simulated else []


def hmmglm_ladder(wildcards):
    """The ladder of a set, where it is wanted."""
    wanted = config["hmmglm"]["ladder"]
    return [f"results/hmmglm/{wildcards.dataset}/ladder.tsv"] if wanted else []


def hmmglm_files(name):
    """The same file of all sets."""
    return [f"results/hmmglm/{dataset}/{name}" for dataset in HMMGLM_SETS]


def hmmglm_jobs():
    """Rules of the stage in this run, with the wildcards of their jobs."""
    own = config["hmmglm"]
    sets = [{"dataset": name} for name in HMMGLM_SETS]
    fits = [{**one, "k": k} for one in sets for k in sorted(set(own["n_states"]))]
    parts = [
        {**fit, "fold": fold, "start": start}
        for fit in fits
        for fold in range(own["folds"])
        for start in range(own["n_starts"])
    ]
    simulated = any(source == "simulated" for source, _ in HMMGLM_SETS.values())
    return {
        **dict.fromkeys(["hmmglm_bin", "hmmglm_select", "hmmglm_export"], sets),
        **({"hmmglm_ladder": sets} if own["ladder"] else {}),
        "hmmglm_fit": fits,
        **({"hmmglm_fit_one": parts} if own["grid"] == "jobs" else {}),
        "hmmglm_simulate": ONCE if simulated else [],
        "hmmglm_summary": ONCE,
    }


def hmmglm_gpu(wildcards):
    """Whether a fit asks for a graphics card."""
    return 1 if config["hmmglm"]["device"] == "cuda" else 0
