"""Settings of ntf and hmmglm."""

from __future__ import annotations

import shutil

from common import ROOT

from every_key.entry import Key

UNIT = ROOT / "tests/unit"
CALCIUM = "results/simulated/calcium"
OWN = {"ntf.sources": ["recordings"], "ntf.recordings.files": ["own/w*.npz"]}
OWN_TENSOR = "results/ntf/recordings/tensor.npy"


SERIES = {"ntf.enabled": True, "ntf.sources": ["fmri"]}
COHORT = {"data.kind": "simulated", "fmri.atlas": "simulated", "ntf.enabled": True}
ONE_FILE = {"ntf.sources": ["recordings"], "ntf.recordings.files": ["own/w01.npz"]}
GRAPH_TOOL = {
    "ntf.communities.backend": "graph_tool",
    "ntf.communities.beside": [],
    "ntf.communities.n_seeds": 2,
    "ntf.n_moves": 0,
}


def own(folder):
    """The planted recordings as a user's own, with their table of stimuli."""
    shutil.copytree(folder / CALCIUM, folder / "own")


def rewritten(**changes):
    """The user's recordings with other fields; None removes one, a function changes it."""

    def prepare(folder):
        import numpy as np

        own(folder)
        for path in (folder / "own").glob("w*.npz"):
            with np.load(path, allow_pickle=False) as arrays:
                found = {key: arrays[key] for key in arrays.files}
            for key, value in changes.items():
                found[key] = value(found) if callable(value) else value
            np.savez(path, **{key: value for key, value in found.items() if value is not None})

    return prepare


def sided(found):
    """Names of which two are the sides of one class."""
    import numpy as np

    sides = {"N002": "AL", "N003": "AR"}
    return np.array([sides.get(name, name) for name in found["names"]])


rate_unknown = rewritten(fs=None)
two_arrays = rewritten(other=lambda found: found["traces"][::-1])
both_sides = rewritten(names=sided)


def events(folder):
    """Another table of stimuli: all are shown a second later."""
    import pandas as pd

    own(folder)
    table = pd.read_csv(folder / "own/events.tsv", sep="\t")
    table["onset_s"] += 1
    table.to_csv(folder / "late.tsv", sep="\t", index=False)


def strains(folder):
    """A table of groups; planning asks no more than that it exists."""
    own(folder)
    (folder / "own/strains.tsv").write_text("animal\tgroup\n")


def groups(folder):
    """A file of published groups; planning asks no more than that it exists."""
    own(folder)
    (folder / "groups.npz").write_text("x")


def two_runs(folder):
    """Region series of two subjects, one of whom has two runs."""
    import numpy as np

    from neuro.io.regions.region_series import RegionSeries
    from neuro.io.regions.series import write_timeseries_h5

    rng = np.random.default_rng(0)
    runs = [
        RegionSeries(
            f"sub-{label}_task-rest{more}",
            rng.normal(size=(60, 3)).cumsum(axis=0).astype(np.float32),
            ["a", "b", "c"],
            2.0,
            label,
            "A",
            "",
        )
        for label, more in (("01", ""), ("01", "_run-2"), ("02", ""), ("03", ""))
    ]
    write_timeseries_h5(folder / "results/fmri/timeseries.h5", runs)


def tensor(value, **under):
    return Key("ntf_tensor", value, under)


def recorded(value, prepare=own, **under):
    return Key("ntf_tensor", value, {**OWN, **under}, prepare=prepare, target=OWN_TENSOR)


def simulated(value):
    return Key("ntf_simulate", value)


def rank(value, **under):
    return Key("ntf_rank", value, under)


def search(value, **under):
    """A key of the search, with few seeds and without what only `ntf.n_moves` decides."""
    few = {"ntf.communities.beside": [], "ntf.communities.n_seeds": 2, "ntf.n_moves": 0}
    return Key("ntf_communities", value, few | under)


NTF = {
    "ntf.enabled": Key(
        "all",
        False,
        {"data.kind": "none", "ntf.sources": ["simulated"]},
        base=True,
        plan=True,
        target="all",
    ),
    "ntf.preset": tensor("paper"),
    "ntf.sources": Key(
        "all", ["fmri"], COHORT, base=["simulated"], plan=True, target="results/ntf/report.json"
    ),
    "ntf.fmri_runs": Key(
        "ntf_tensor",
        "all",
        SERIES,
        prepare=two_runs,
        case="fmri_table",
        target="results/ntf/fmri/tensor.npy",
    ),
    "ntf.recordings.files": recorded(["own/w01.npz", "own/w02.npz"]),
    "ntf.recordings.content": Key(
        "ntf_tensor",
        "kernels",
        OWN,
        prepare=own,
        target=OWN_TENSOR,
        refused="arrays with three axes",
    ),
    "ntf.recordings.stack": Key(
        "ntf_tensor", False, OWN, prepare=own, plan=True, target="results/ntf/report.json"
    ),
    "ntf.recordings.fs_hz": Key(
        "ntf_tensor", 8.0, OWN, prepare=rate_unknown, base=4.0, target=OWN_TENSOR
    ),
    "ntf.recordings.resample_hz": recorded(2.0),
    "ntf.recordings.variable": recorded(
        "other", two_arrays, **{"ntf.recordings.variable": "traces"}
    ),
    "ntf.recordings.variables": recorded(
        {"w01.npz": "other"}, two_arrays, **{"ntf.recordings.variable": "traces"}
    ),
    "ntf.recordings.time_axis": Key(
        "ntf_tensor", 1, OWN, prepare=own, target=OWN_TENSOR, refused="recordings.time_axis is 1"
    ),
    "ntf.recordings.events": recorded(
        "late.tsv", events, **{"ntf.recordings.events": "own/events.tsv"}
    ),
    "ntf.recordings.groups": Key(
        "ntf_communities",
        "own/strains.tsv",
        OWN,
        prepare=strains,
        plan=True,
        target="results/ntf/report.json",
    ),
    "ntf.recordings.assemblies": Key(
        "ntf_communities",
        "groups.npz",
        ONE_FILE,
        prepare=groups,
        plan=True,
        target="results/ntf/report.json",
    ),
    "ntf.simulated.n_animals": simulated(4),
    "ntf.simulated.n_neurons": simulated(13),
    "ntf.simulated.n_conditions": simulated(1),
    "ntf.simulated.epoch_s": simulated(15.0),
    "ntf.simulated.missing": simulated(0.3),
    "ntf.affinity.kind": tensor("product"),
    "ntf.affinity.smooth_s": tensor(2.0),
    "ntf.affinity.floor": tensor(0.5, **{"ntf.affinity.kind": "differential"}),
    "ntf.affinity.snr_min": tensor(8.0, **{"ntf.affinity.kind": "differential"}),
    "ntf.affinity.bin_s": tensor(2.0),
    "ntf.affinity.window_s": tensor(10.0, **{"ntf.affinity.kind": "sliding_window"}),
    "ntf.affinity.signal": tensor("level", **{"ntf.affinity.kind": "excess"}),
    "ntf.affinity.lags_s": tensor([4.0, 8.0], **{"ntf.affinity.kind": "excess"}),
    "ntf.affinity.common": tensor(False, **{"ntf.affinity.kind": "excess"}),
    "ntf.affinity.sign": tensor("blind"),
    "ntf.affinity.scale": recorded("log1p"),
    "ntf.time_alignment": tensor("none"),
    "ntf.epoch.pre_s": tensor(2.0),
    "ntf.epoch.post_s": tensor(5.0),
    "ntf.epoch.order": tensor(["stimulus2", "stimulus1"]),
    "ntf.identity.rename": tensor({"N002": "M002"}),
    "ntf.identity.merge_lr": recorded(True, both_sides),
    "ntf.identity.complete": tensor(True),
    "ntf.ranks": rank([2, 4]),
    "ntf.rank": rank(3),
    "ntf.rank_rule": rank("paper"),
    "ntf.solver": Key("ntf_factorize", "lbfgs", refused="ntf.solver: 'lbfgs' needs every pair"),
    "ntf.n_starts": Key("ntf_factorize", 3),
    "ntf.max_iter": Key("ntf_factorize", 3),
    "ntf.tol": Key("ntf_factorize", 0.01),
    "ntf.communities.backend": search("sbm"),
    "ntf.communities.beside": search(["sbm"]),
    "ntf.communities.fallback": Key(
        "ntf_communities", False, GRAPH_TOOL, base=True, refused="graph-tool is not installed"
    ),
    "ntf.communities.n_seeds": search(
        5, **{"ntf.communities.backend": "sbm", "ntf.communities.n_seeds": 50}
    ),
    "ntf.communities.transform": search("log1p"),
    "ntf.communities.weights": search("lognormal", **{"ntf.communities.backend": "sbm"}),
    "ntf.communities.alpha": search(1.0),
    "ntf.n_null": Key("ntf_null", 3),
    "ntf.surrogate": Key("ntf_null", "shift"),
    "ntf.n_moves": Key("ntf_communities", 3, {"ntf.communities.beside": []}, base=2),
    "ntf.device": Key("ntf_factorize", "cuda", refused="cuda"),
}


def other_spikes(folder):
    """The same spikes without the first hundred."""
    lines = (folder / "input/spikes.txt").read_text().splitlines()
    (folder / "other.txt").write_text("\n".join(lines[100:]) + "\n")


def two_tables(folder):
    """A file of two tables of spikes."""
    import numpy as np
    from scipy.io import savemat

    table = np.loadtxt(folder / "input/spikes.txt")[:, ::-1]
    savemat(folder / "two.mat", {"spks": table, "later": table[100:]})


def close_call(folder):
    """Two states are better than one on average, in one fold of two."""
    import pandas as pd

    for k in (1, 2):
        path = folder / f"results/hmmglm/planted/fits/K-{k}.tsv"
        table = pd.read_csv(path, sep="\t")
        score = -3.0 + (k == 2) * (0.2 - 0.3 * table["fold"] / max(table["fold"].max(), 1))
        table.assign(test_ll_per_bin=score, test_bits_per_spike=score).to_csv(
            path, sep="\t", index=False, na_rep="n/a"
        )


def fit(value, **under):
    return Key("hmmglm_fit", value, under)


def with_room(value):
    """A fit of the recording whose covariates are stored with its counts."""
    target = "results/hmmglm/one/fits/K-2.npz"
    under = {"hmmglm.model": ["plain"], "hmmglm.n_starts": 1, "hmmglm.max_iter": 2}
    return Key("hmmglm_fit", value, under, prepare=binned_room, case="hmmglm_bin", target=target)


def binned_room(folder):
    """Counts and covariates of the recording as the rule before wrote them."""
    shutil.copytree(UNIT / "hmmglm_bin/expected", folder, dirs_exist_ok=True)


def two_days(folder):
    """Two recordings by name; the rule reads the counts that are stored."""
    for name in ("one.txt", "two.txt"):
        (folder / name).write_text("1.0\t1\n")


def binned(value, prepare=None, **under):
    return Key("hmmglm_bin", value, under, prepare=prepare)


SAMPLES = {"hmmglm.time_unit": "samples", "hmmglm.sampling_hz": 1.0}
BOLD = {"hmmglm.enabled": True, "hmmglm.input": ["fmri"], "hmmglm.folds": 2}
NULLS = {
    "hmmglm.emission": "poisson",
    "hmmglm.model": ["plain"],
    "hmmglm.n_starts": 1,
    "hmmglm.max_iter": 2,
}
BOLD_COUNTS = "results/hmmglm/bold/counts.npz"


def bold_counts(folder):
    """Counts of three runs with the files that a fit reads."""
    for path in (UNIT / "hmmglm_fit/data/results/hmmglm/planted").glob("*"):
        if path.is_file():
            (folder / "results/hmmglm/bold").mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / "results/hmmglm/bold" / path.name)


def bold(value):
    return Key("hmmglm_bin", value, BOLD, prepare=two_runs, case="fmri_table", target=BOLD_COUNTS)


HMMGLM = {
    "hmmglm.enabled": Key(
        "all",
        False,
        {"data.kind": "none", "hmmglm.input": ["simulated"]},
        base=True,
        plan=True,
        target="all",
    ),
    "hmmglm.preset": fit("paper"),
    "hmmglm.input": Key(
        "all",
        ["fmri"],
        COHORT | {"ntf.enabled": False, "hmmglm.enabled": True},
        base=["simulated"],
        plan=True,
        target="results/hmmglm/report.json",
    ),
    "hmmglm.sets": binned({"one": "other.txt"}, other_spikes),
    "hmmglm.kind": Key("hmmglm_bin", "counts", refused="spikes.txt"),
    "hmmglm.time_unit": Key("hmmglm_bin", "ms", refused="shorter than one bin"),
    "hmmglm.sampling_hz": binned(2.0, **SAMPLES),
    "hmmglm.mat_key": binned("later", two_tables, **{"hmmglm.sets": {"one": "two.mat"}}),
    "hmmglm.unit_filter": Key("hmmglm_bin", "depth > 3", refused="unit_filter"),
    "hmmglm.trial_window": Key("hmmglm_bin", [1, 1], refused="set segment_s: null"),
    "hmmglm.switch_s": Key("hmmglm_export", 1.0),
    "hmmglm.min_rate_hz": binned(0.001),
    "hmmglm.bin_s": binned(0.2),
    "hmmglm.covariates": binned({"place": {"file": "input/room.tsv", "column": "x"}}),
    "hmmglm.covariate_weights": with_room("per_state"),
    "hmmglm.covariate_ridge": with_room(300.0),
    "hmmglm.segment_s": binned(15.0),
    "hmmglm.model": fit(["plain"]),
    "hmmglm.n_states": Key("hmmglm_select", [1, 2, 3], plan=True),
    "hmmglm.rule": Key("hmmglm_select", "best", prepare=close_call),
    "hmmglm.solver": fit("relaxed", **{"hmmglm.max_iter": 2, "hmmglm.n_starts": 1}),
    "hmmglm.emission": Key("hmmglm_fit", "gaussian", refused="planted data are counts"),
    "hmmglm.link": fit("exp"),
    "hmmglm.bias": fit("per_state"),
    "hmmglm.n_history": fit(3),
    "hmmglm.decay": fit(0.3),
    "hmmglm.basis": fit("raised_cosine"),
    "hmmglm.n_basis": fit(2, **{"hmmglm.basis": "raised_cosine"}),
    "hmmglm.diagonal": fit("zero"),
    "hmmglm.prior_sd": fit(0.1),
    "hmmglm.ridge": fit(5.0),
    "hmmglm.stop": fit("tuned"),
    "hmmglm.alpha": fit([1, 1, 1]),
    "hmmglm.tau": fit(
        0.5, **{"hmmglm.solver": "relaxed", "hmmglm.max_iter": 2, "hmmglm.n_starts": 1}
    ),
    "hmmglm.pi_kappa": fit(30.0),
    "hmmglm.start": fit("zeros"),
    "hmmglm.n_starts": fit(1),
    "hmmglm.n_finish": fit(1),
    "hmmglm.max_iter": fit(2),
    "hmmglm.newton": fit("truncated", **{"hmmglm.max_iter": 2, "hmmglm.n_starts": 1}),
    "hmmglm.device": Key("hmmglm_fit", "cuda", refused="torch sees no GPU"),
    "hmmglm.folds": binned(3),
    "hmmglm.fold_order": binned("interleaved"),
    "hmmglm.ladder": Key("hmmglm_export", False, plan=True),
    "hmmglm.days": Key(
        "hmmglm_ladder",
        True,
        {
            "hmmglm.input": ["spikes"],
            "hmmglm.sets": {"planted": ["one.txt", "two.txt"]},
            "hmmglm.fold_order": "interleaved",
        },
        prepare=two_days,
        given=True,
    ),
    "hmmglm.grid": Key("hmmglm_select", "jobs", plan=True),
    "hmmglm.events.kind": bold("gaussian"),
    "hmmglm.events.threshold_z": bold(0.5),
    "hmmglm.events.n_null": Key(
        "hmmglm_fit",
        1,
        BOLD | NULLS,
        base=0,
        prepare=bold_counts,
        case="fmri_table",
        target="results/hmmglm/bold/fits/K-1.npz",
    ),
    "hmmglm.simulated.n_sequences": Key("hmmglm_simulate", 5),
    "hmmglm.simulated.n_bins": Key("hmmglm_simulate", 151),
    "hmmglm.simulated.n_neurons": Key("hmmglm_simulate", 5),
    "hmmglm.simulated.n_states": Key("hmmglm_simulate", 3),
}
KEYS = NTF | HMMGLM
