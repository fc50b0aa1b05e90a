# Helper functions of the stage fmri.
import functools


def from_raw():
    """Whether the input are raw images, which are realigned first."""
    return INPUTS.kind == kinds.NATIVE


def run_input(kind):
    """Input function: a run's file of one kind, an empty list where the run has none."""
    # what no run has needs no function: Snakemake calls each several times per job
    if not any(run.get(kind) for run in _RUNS.values()):
        return []

    def find(wildcards):
        return _RUNS.get(wildcards.run_key, {}).get(kind) or []

    return find


@functools.lru_cache(maxsize=1)
def scanned_sidecars():
    """What the scan read of the sidecars of all runs, those of the folders above included."""
    if INPUTS.kind in ("simulated", "none"):
        return []
    files = {path for paths in run_sidecars() for path in paths}
    return sorted(filter(os.path.isfile, files))


def run_space(run):
    """Space of a run's images, for the sidecars."""
    if from_raw() and not INPUTS.native:
        return "template, by the affine of the user"
    space = run["space"]
    return "template, not named" if space == "native" and not INPUTS.native else space


def beside_run(suffix):
    """A file of the same run that another rule of stage fmri writes."""
    return f"results/work/fmri/{{folder}}/func/{{run_key}}_{suffix}"


def raw_file(suffix, otherwise=None):
    """A file that realignment wrote, for other kinds one of the input."""
    if from_raw():
        return beside_run(suffix)
    return run_input(otherwise) if otherwise else []


def parcel_files():
    """What is written of regions on surfaces beside the tables."""
    if not on_surfaces():
        return {}
    base = f"results/work/fmri/{{folder}}/func/{{run_key}}_atlas-{atlas()}"
    return {
        "parcels": f"{base}_stat-mean_timeseries.ptseries.nii",
        "parcel_coverage": f"{base}_stat-coverage_boldmap.pscalar.nii",
    }


def slice_timed(suffix, otherwise=None):
    """What slice timing left of a raw run, where it is off one of the input."""
    if config["fmri"]["slice_timing"] != "off":
        return beside_run(suffix)
    return run_input(otherwise) if otherwise else []


def run_affine():
    """Input function: the user's matrix from native to template space, where there is one."""
    matrices = {
        key: path
        for key in runs()
        if (path := neuro.run.inputs.affine(config, _RUNS[key]))
    }
    return (lambda wildcards: matrices.get(wildcards.run_key, [])) if matrices else []


def relmat_name():
    """Kind of connectome as a BIDS `stat` label."""
    kind = config["fmri"]["connectome"]
    return {"pearson": "pearsoncorrelation", "fisher_z": "fisherz"}.get(kind, kind)


def relmats():
    """Connectomes as text, for runs that came as images; tables would double in number."""
    if from_tables():
        return []
    return run_files("fmri", f"atlas-{atlas()}_stat-{relmat_name()}_relmat.tsv")


def run_maps():
    """Names of the maps that every run gets; region tables have no voxels."""
    return [] if from_tables() else config["fmri"]["maps"]


def map_files():
    """Outputs of a run: an image and the means of its regions for each map."""
    images = {name: beside_run(f"stat-{name}_boldmap.nii.gz") for name in run_maps()}
    tables = {
        f"{name}_regions": beside_run(f"atlas-{atlas()}_stat-{name}_bold.tsv")
        for name in run_maps()
    }
    return images | tables


def before_filter():
    """What `falff` is computed from: the image before cleaning, and its confounds."""
    if "falff" not in run_maps():
        return {}
    return {
        "preproc": raw_file("desc-preproc_bold.nii.gz", "bold"),
        "confounds": beside_run("desc-confounds_timeseries.tsv"),
    }


def all_map_files():
    """The maps of all runs, by name."""
    files = {"masks": run_files("fmri", "desc-brain_mask.nii.gz")}
    for name in run_maps():
        files[name] = run_files("fmri", f"stat-{name}_boldmap.nii.gz")
        files[f"{name}_regions"] = run_files(
            "fmri", f"atlas-{atlas()}_stat-{name}_bold.tsv"
        )
    return files


def group_map_files():
    """Group images; native voxels do not correspond between people."""
    if INPUTS.native:
        return {}
    return {
        f"{name}{end}": f"results/fmri/group_{name}_{what}.nii.gz"
        for name in run_maps()
        for end, what in (("", "mean"), ("_n", "n"))
    }


def compared_strategies():
    """Strategies of the ledger; only images that are denoised here have one."""
    cleaned = from_tables() or INPUTS.kind == kinds.DENOISED
    return [] if cleaned else config["fmri"]["compare"]


def compare_inputs(wildcards):
    """What the ledger is made from."""
    files = {
        "edges": run_files("fmri", f"atlas-{atlas()}_desc-compare_relmat.npz"),
        "rows": run_files("fmri", "desc-compare_qc.tsv"),
        "runs": "results/fmri/runs.tsv",
        "regions": "results/fmri/regions.tsv",
    }
    if INPUTS.kind == "simulated":
        files["truth"] = "results/simulated/truth.json"
    return files


def published_files(wildcards):
    """Every file of single runs that the stage keeps, to be shown as a data set."""
    patterns = [
        strip_wildcard_constraints(path)
        for name, jobs in fmri_jobs().items()
        if jobs != ONCE
        for path in workflow.get_rule(name).output
        if not is_flagged(path, "temp")
    ]
    paths = [path.format(**job) for job in each_run() for path in patterns]
    return [*paths, *relmats()]


def qc_inputs(wildcards):
    """What the quality control reads; images and tables leave different files."""
    files = {
        "runs": "results/fmri/runs.tsv",
        "participants": "results/participants.tsv",
        "connectomes": "results/fmri/connectomes.h5",
        "regions": "results/fmri/regions.tsv",
        "exclusions": ["results/fmri/exclusions_index.tsv"],
    }
    if from_tables():
        files["qc"] = ["results/fmri/table_qc.tsv"]
        files["exclusions"].append("results/fmri/exclusions_table.tsv")
    else:
        files["published"] = "results/fmri/published.tsv"
        files["qc"] = run_files("fmri", "desc-qc.tsv")
        files["coverage"] = run_files("fmri", f"atlas-{atlas()}_stat-coverage_bold.tsv")
        files["preproc"] = run_files(
            "fmri", f"atlas-{atlas()}_desc-preproc_timeseries.tsv"
        )
        files["exclusions"] += run_files("fmri", "desc-exclusions.tsv")
    if run_maps():
        files["exclusions"].append("results/fmri/exclusions_maps.tsv")
    if compared_strategies():
        files["ledger"] = "results/fmri/compare.tsv"
    if INPUTS.kind == "simulated":
        files["truth"] = "results/simulated/truth.json"
    return files


def table_beside():
    """What XCP-D left beside the region tables."""
    return [
        [run.get(name) for name in ("outliers", "motion")] for run in _RUNS.values()
    ]


def fmri_jobs():
    """Rules of the stage in this run, with the wildcards of their jobs."""
    if from_tables():
        by_run, group = [], ["fmri_table"]
    else:
        by_run, group = ["fmri_clean", "fmri_parcellate"], [
            "fmri_series",
            "fmri_publish",
        ]
    if from_raw():
        by_run.append("fmri_realign")
        if config["fmri"]["slice_timing"] != "off":
            by_run.append("fmri_slicetime")
    if run_maps():
        by_run.append("fmri_maps")
        group.append("fmri_maps_group")
    if compared_strategies():
        by_run.append("fmri_compare_run")
        group.append("fmri_compare")
    group += ["fmri_index", "fmri_connectome", "fmri_qc"]
    return dict.fromkeys(by_run, each_run()) | dict.fromkeys(group, ONCE)
