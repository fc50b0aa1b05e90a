# Helper functions of the stage ntf.

from neuro.config import ntf_sets

NTF_SETS = ntf_sets.sets(config["ntf"]) if config["ntf"]["enabled"] else {}
NTF_PER_CHUNK = 10
NTF_MODEL = ("solver", "n_starts", "max_iter", "tol", "device")
NTF_TENSOR = (
    "recordings",
    "fmri_runs",
    "affinity",
    "time_alignment",
    "epoch",
    "identity",
)


def ntf_source(dataset):
    """Where the series of a set come from."""
    return dataset if dataset in ("simulated", "fmri") else "recordings"


def ntf_simulated():
    """Files of the planted recordings."""
    number = config["ntf"]["simulated"]["n_animals"]
    return [f"results/simulated/calcium/w{k:02d}.npz" for k in range(1, number + 1)]


def ntf_files(wildcards):
    """Recordings of a set."""
    source = ntf_source(wildcards.dataset)
    if source == "simulated":
        return ntf_simulated()
    if source == "fmri":
        return ["results/fmri/timeseries.h5"]
    return NTF_SETS[wildcards.dataset]


def ntf_events(wildcards):
    """Table of stimuli of a set, where there is one."""
    source = ntf_source(wildcards.dataset)
    if source == "simulated":
        return ["results/simulated/calcium/events.tsv"]
    events = config["ntf"]["recordings"]["events"]
    return [events] if events and source == "recordings" else []


def ntf_known(wildcards):
    """What is known of a set from elsewhere: planted truth, or published groups."""
    source = ntf_source(wildcards.dataset)
    if source == "simulated":
        return ["results/simulated/calcium/truth.tsv"]
    groups = config["ntf"]["recordings"]["assemblies"]
    return [groups] if groups and source == "recordings" else []


def ntf_groups(wildcards):
    """Table of groups of animals of a set, where there is one."""
    groups = config["ntf"]["recordings"]["groups"]
    return [groups] if groups and ntf_source(wildcards.dataset) == "recordings" else []


def ntf_nulls(wildcards):
    """Surrogates of a set, some per file."""
    chunks = -(-config["ntf"]["n_null"] // NTF_PER_CHUNK)
    return [f"results/ntf/{wildcards.dataset}/null_{k}.npz" for k in range(chunks)]


def ntf_gpu(wildcards):
    """Whether a fit asks for a graphics card."""
    return 1 if config["ntf"]["device"] == "cuda" else 0


def ntf_community_env(wildcards=None):
    """Environment of the community search; graph-tool is not on PyPI and has its own."""
    if config["ntf"]["communities"]["backend"] == "graph_tool":
        return "../../envs/graphtool.yaml"
    return "../../envs/ntf.yaml"


def ntf_jobs():
    """Rules of the stage in this run, with the wildcards of their jobs."""
    sets = [{"dataset": name} for name in NTF_SETS]
    chunks = range(-(-config["ntf"]["n_null"] // NTF_PER_CHUNK))
    names = ["ntf_tensor", "ntf_rank", "ntf_factorize", "ntf_communities"]
    return {
        **dict.fromkeys(names, sets),
        "ntf_null": [{**one, "chunk": chunk} for one in sets for chunk in chunks],
        "ntf_simulate": ONCE if "simulated" in NTF_SETS else [],
        "ntf_summary": ONCE,
    }
