"""A folder of result files as the stages leave it, with planted values."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from planted_adhd import adhd_tables

from neuro.io.formats.tables import exclusion, write_exclusions, write_tsv
from neuro.io.regions.connectomes import write_connectomes

N_REGIONS = 24
N_VOLUMES = 90
CONFIG = {
    "data": {"kind": "fmriprep"},
    "execution": {"seed": 3},
    "fmri": {
        "enabled": True,
        "fd_mm": 0.5,
        "std_dvars": 1.5,
        "scrub": True,
        "min_seconds": 240.0,
    },
    "adhd": {"enabled": True, "density": 0.02, "permutations": 200},
    "report": {"max_subject_figures": 40},
}

METHODS = [
    (
        "fmri",
        ["Volumes with much motion were censored [@power2014].", "Runs were short."],
        ["power2014", "nilearn", "nibabel"],
    ),
    ("adhd", ["Cycles were counted [@dey2012; @power2014]."], ["dey2012", "numba"]),
]


def people(n_subjects, rng):
    labels = [f"{number:02d}" for number in range(1, n_subjects + 1)]
    return pd.DataFrame(
        {
            "participant_id": [f"sub-{label}" for label in labels],
            "site": np.where(np.arange(n_subjects) % 2, "beta", "alpha"),
            "age": rng.uniform(8, 18, n_subjects).round(1),
            "sex": rng.choice(["F", "M"], n_subjects),
            "dx": (np.arange(n_subjects) // 2) % 2,
        }
    )


def fmri_tables(folder, table, rng):
    labels = table["participant_id"].str.removeprefix("sub-")
    keys = [f"sub-{label}_task-rest" for label in labels]
    n = len(keys)
    write_tsv(
        folder / "runs.tsv",
        pd.DataFrame(
            {
                "run_key": keys,
                "participant_id": labels,
                "session": None,
                "task": "rest",
                "run": None,
                "kind": "fmriprep",
                "tr": 2.0,
                "n_volumes": N_VOLUMES,
                "space": "MNI152NLin2009cAsym",
                "status": "ok",
                "reason": None,
            }
        ),
    )
    fd = 0.1 + 0.08 * rng.gamma(2, 1, n)
    fd[-1] = 1.3
    qc = pd.DataFrame(
        {
            "run_key": keys,
            "participant_id": labels,
            "site": table["site"],
            "n_volumes": N_VOLUMES,
            "n_kept": (N_VOLUMES - 40 * fd).round(),
            "minutes_kept": ((N_VOLUMES - 40 * fd) / 15).round(2),
            "mean_fd": fd,
            "max_fd": 4 * fd,
            "frac_fd_over": np.clip(fd / 3, 0, 1),
            "mean_std_dvars": 1 + 0.05 * rng.standard_normal(n),
            "median_tsnr": rng.uniform(60, 100, n),
            "n_constant": 0,
            "min_coverage": rng.uniform(0.8, 1, n),
            "dof_left": rng.uniform(12, 40, n),
            "in_band_power": rng.uniform(0.94, 0.99, n),
            "realign_failed": 0,
            "status": ["used"] * (n - 1) + ["excluded"],
        }
    )
    write_tsv(folder / "group_qc.tsv", qc)
    i, j = np.triu_indices(N_REGIONS, 1)
    distance = rng.uniform(10, 150, len(i))
    parts = []
    for stage, width, slope in (("before", 0.3, -0.002), ("after", 0.18, 0.0)):
        r = np.clip(width * rng.standard_normal(len(i)) + slope * (distance - 80), -0.99, 0.99)
        p = np.where(np.abs(r) > 0.35, 0.01, 0.5)
        parts.append(
            pd.DataFrame({"stage": stage, "i": i, "j": j, "r": r, "p": p, "distance_mm": distance})
        )
    write_tsv(folder / "qc_fc.tsv", pd.concat(parts))
    edges = 0.3 * rng.standard_normal((n - 1, len(i))) + 0.2 * ((i < 12) == (j < 12))
    edges[:, 3] = np.nan
    regions = [f"R{number:02d}" for number in range(N_REGIONS)]
    write_connectomes(
        folder / "connectomes.h5", edges, list(labels[:-1]), keys[:-1], regions, "fisher_z"
    )
    write_exclusions(
        folder / "exclusions.tsv",
        [
            exclusion(keys[-1], "clean", "less than 240 s kept after censoring", 96, 240),
            exclusion("sub-02", "scan", "no mask beside /home/ann/data/bids/sub-02_bold.nii.gz"),
        ],
    )
    figures = [
        {"name": "runs used", "value": n - 1, "unit": "runs", "n": n - 1},
        {"name": "median mean FD", "value": float(np.median(fd)), "unit": "mm", "n": n},
    ]
    (folder / "report.json").write_text(json.dumps(figures))
    return keys, regions


def run_figures(folder, key, rng, excluded=False):
    place = folder / key.split("_")[0] / "func"
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{key}_desc-figures_bold.npz"
    if excluded:
        path.write_bytes(b"")
        return
    kept = rng.random(N_VOLUMES) > 0.1
    carpet = rng.standard_normal((300, N_VOLUMES)).astype(np.float16)
    after = carpet.copy()
    after[:, ~kept] = np.nan
    fd = rng.gamma(2, 0.06, N_VOLUMES).astype(np.float32)
    fd[0] = np.nan
    shape = (20, 24, 21)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"))
    mask = (grid**2).sum(axis=0) < 0.9
    arrays = {
        "carpet_before": carpet,
        "carpet_after": after,
        "fd": fd,
        "std_dvars": 1 + 0.1 * rng.standard_normal(N_VOLUMES).astype(np.float32),
        "kept": kept,
        "tr": np.float32(2),
        "voxel_mm": np.array([8, 8, 8], np.float32),
        "slice_index": np.array([10, 12, 10], np.int32),
    }
    labels = np.where(mask, 1 + (grid[0] > 0) + 2 * (grid[1] > 0) + 4 * (grid[2] > 0), 0)
    atlas = {}
    for axis, name in enumerate("xyz"):
        middle = shape[axis] // 2
        cut = mask.take(middle, axis)
        arrays[f"mean_{name}"] = np.where(cut, 1000 + 100 * rng.standard_normal(cut.shape), 0)
        arrays[f"mask_{name}"] = cut
        arrays[f"tsnr_{name}"] = np.where(cut, rng.uniform(40, 110, cut.shape), 0)
        atlas[f"atlas_{name}"] = labels.take(middle, axis)
    np.savez(path, **arrays)
    np.savez(place / f"{key}_atlas-simulated_desc-figures_bold.npz", **atlas)
    series = pd.DataFrame(rng.standard_normal((N_VOLUMES, N_REGIONS)))
    series.columns = [f"R{number:02d}" for number in range(N_REGIONS)]
    write_tsv(place / f"{key}_atlas-simulated_desc-preproc_timeseries.tsv", series)


def benchmarks(folder, keys):
    header = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    for key in keys:
        path = folder / "fmri" / key.split("_")[0] / "func" / f"{key}_fmri_clean.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(header + "2.5\t0:00:02\t410.2\t0\t0\t0\t0\t0\t90\t2.0\n")
    for path, seconds in (("adhd/adhd_diagnose.tsv", "30.0"), ("fmri/fmri_qc.tsv", "0.2")):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        cells = "600\t0\t0\t0\t0\t0\t90\t28.0" if seconds == "30.0" else "NA\t-\t-\t-\t-\t-\t-\tNA"
        (folder / path).write_text(f"{header}{seconds}\t0:00:00\t{cells}\n")


def make_results(root, n_subjects=12, n_figures=3, seed=0):
    """Write planted result files of both stages; returns the folder."""
    rng = np.random.default_rng(seed)
    table = people(n_subjects, rng)
    write_tsv(root / "participants.tsv", table)
    (root / "fmri").mkdir(parents=True, exist_ok=True)
    (root / "adhd").mkdir(parents=True, exist_ok=True)
    keys, regions = fmri_tables(root / "fmri", table, rng)
    for key in keys[:n_figures]:
        run_figures(root / "fmri", key, rng)
    run_figures(root / "fmri", keys[-1], rng, excluded=True)
    adhd_tables(root / "adhd", table, keys, regions, rng)
    benchmarks(root / "benchmarks", keys)
    (root / "provenance").mkdir(exist_ok=True)
    (root / "provenance" / "config.yaml").write_text(
        "data:\n  root: /home/ann/studies/bids\nexecution:\n  seed: 3\n# seed: user\n"
    )
    return root


@pytest.fixture(scope="session")
def make_planted_results():
    return make_results


@pytest.fixture(scope="session")
def report_config():
    return CONFIG


@pytest.fixture(scope="session")
def report_methods():
    return METHODS


@pytest.fixture(scope="session")
def planted_results(tmp_path_factory):
    return make_results(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="session")
def built_report(planted_results, tmp_path_factory):
    """`index.html` of a report of the planted results, with names and methods."""
    from neuro.report import build

    out = tmp_path_factory.mktemp("report")
    settings = {"title": "Planted <results>", "anonymous": False, "methods": METHODS}
    return build(planted_results, out, CONFIG, **settings)


@pytest.fixture
def bare(planted_results, tmp_path):
    """Results without anything to draw: quick to build."""
    root = tmp_path / "results"
    for name in ("participants.tsv", "fmri/exclusions.tsv", "fmri/report.json", "adhd/report.json"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(planted_results / name, root / name)
    return root
