# Helper functions of the stage hmmglm.


def hmmglm_sets():
    """Files of every data set by its name; region series have one set per repetition time."""
    section = config["hmmglm"]
    if section["input"] == "simulated":
        return {"planted": ["results/simulated/spikes.npz"]}
    if section["input"] == "spikes":
        return {
            name: paths if isinstance(paths, list) else [paths]
            for name, paths in section["sets"].items()
        }
    times = {run["tr"] for run in _RUNS.values()}
    if len(times) < 2 or not all(times):
        return {"bold": runs()}
    return {
        f"tr{round(1000 * float(tr))}": [
            key for key in runs() if _RUNS[key]["tr"] == tr
        ]
        for tr in sorted(times, key=float)
    }


def hmmglm_bin_inputs(wildcards):
    """What the counts of a set are made from."""
    files = HMMGLM_SETS[wildcards.dataset]
    if config["hmmglm"]["input"] != "fmri":
        return {"files": files}
    inputs = {"series": "results/fmri/timeseries.h5"}
    if not from_tables():
        inputs["outliers"] = [run_file("fmri", key, "outliers.tsv") for key in files]
    return inputs


def hmmglm_runs(wildcards):
    """Run keys of a set of region series; none for spikes."""
    return HMMGLM_SETS[wildcards.dataset] if config["hmmglm"]["input"] == "fmri" else []


def hmmglm_truth(wildcards):
    """The planted truth, where there is one."""
    simulated = config["hmmglm"]["input"] == "simulated"
    return ["results/simulated/spikes_truth.npz"] if simulated else []


def hmmglm_files(name):
    """The same file of all sets."""
    return [f"results/hmmglm/{dataset}/{name}" for dataset in HMMGLM_SETS]
