# Helper functions of the stage mds.

from neuro.config import mds as mds_config

MDS_SETS = mds_config.sets(config["mds"]) if config["mds"]["enabled"] else {}
MDS_DATA = ("variable", "stimulus_space", "twin", "made_cells", "held_out_fraction")
MDS_SEARCH = (
    "preset",
    "stimulus_space",
    "rotations",
    "shift",
    "n_clusters_init",
    "temperature",
    "norm",
    "clip",
    "n_restarts",
    "restarts_per_job",
    "k_ladder",
    "eta",
    "min_size",
    "subsample",
    "device",
)


def mds_parts(wildcards):
    """Restarts of a data set, some per file."""
    own = config["mds"]
    parts = -(-own["n_restarts"] // own["restarts_per_job"])
    return [f"results/mds/{wildcards.dataset}/runs/part_{k}.npz" for k in range(parts)]


def mds_typed():
    """Data sets for which new cells are typed, with the recording of each."""
    own = config["mds"]
    recordings = {}
    for name in MDS_SETS:
        if name == "planted":
            recordings[name] = "results/simulated/mds/new_cells.npz"
        elif own["new_recording"] and name not in mds_config.NAMED:
            recordings[name] = own["new_recording"]
    return recordings


def mds_known(wildcards):
    """The user's table of known types, for the user's own data."""
    path = config["mds"]["known_types"]
    return [path] if path and wildcards.dataset not in mds_config.NAMED else []


def mds_twin_files():
    """Files of a twin from elsewhere; a module's without the name of its function."""
    twin = config["mds"]["twin"]
    code = twin["module"] or ""
    files = [twin["path"], twin["predictions"], code.rpartition(":")[0] or code]
    return [path for path in files if path]


def mds_gpu(wildcards):
    """Whether a job asks for a graphics card."""
    return 1 if config["mds"]["device"] == "cuda" else 0


def mds_data(wildcards):
    """Responses of a data set."""
    return MDS_SETS[wildcards.dataset]


def mds_recording(wildcards):
    """Recording of the new cells of a data set."""
    return mds_typed()[wildcards.dataset]


def mds_jobs():
    """Rules of the stage in this run, with the wildcards of their jobs."""
    own = config["mds"]
    sets = [{"dataset": name} for name in MDS_SETS]
    parts = range(-(-own["n_restarts"] // own["restarts_per_job"]))
    planted = ONCE if "planted" in MDS_SETS else []
    return {
        **dict.fromkeys(["mds_twin", "mds_select"], sets),
        **dict.fromkeys(["mds_simulate", "mds_present"], planted),
        "mds_cluster": [{**one, "part": number} for one in sets for number in parts],
        "mds_assign": [{"dataset": name} for name in mds_typed()],
        "mds_summary": ONCE,
    }
