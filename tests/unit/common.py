"""Run one rule on small stored data and compare what it writes with what is expected.

Layout as Snakemake generates it: `tests/unit/<rule>/{config.yaml,data,expected}`. Comparison is
by kind of file and tolerant where numbers are concerned. `python tests/unit/regenerate.py RULE`
makes data and expectation anew from a finished run.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from starter import starter

ROOT = Path(__file__).parents[2]
RTOL = 1e-4
VOLATILE = {
    "GeneratedBy",
    "Sources",
    "Inputs",
    "Versions",
    "WallSeconds",
    "Commit",
    "Dirty",
    "seconds",
    "cpu_s",
    "peak_mb",
    "Threads",
}
"""JSON keys that depend on time, versions or checksums."""
ROUNDING = {"MomentError": 1e-6}
"""JSON keys of figures that are 0 but for rounding (single precision), and what bounds them."""
DOUBLE, SINGLE = 1e-6, 1e-4
"""Share of an array's largest value that processors may differ by. Kernels sum in different
orders, so training in single precision (7 digits) leaves some 1e-5, other computations 1e-12."""
CONVERGED = 3e-3
"""The same of fits that end when a sweep gains less than 1e-5: they are known to about its root."""
SWEEPS = 3
"""How many sweeps more or less of such a fit rounding may decide."""
UNTRACKED = (".snakemake", "results/logs", "results/benchmarks", "results/provenance")


class Difference(AssertionError):
    """Two result files differ."""


def _close(a, b, where, noise=DOUBLE, rtol=RTOL):
    a, b = np.asarray(a), np.asarray(b)
    name = where.rpartition(":")[2]
    if noise == CONVERGED and name in ("history", "n_iter"):
        a, b = _sweeps(a, b, where, name)
    if a.dtype != b.dtype and not a.dtype.kind == b.dtype.kind == "U":
        raise Difference(f"{where}: dtype {a.dtype}, expected {b.dtype}")
    if a.shape != b.shape:
        raise Difference(f"{where}: shape {a.shape}, expected {b.shape}")
    if a.dtype.kind in "fc":
        finite = b[np.isfinite(b)]
        scale = float(np.abs(finite).max()) if finite.size else 1.0
        rtol = max(rtol, 2e-3) if a.dtype == np.float16 else rtol
        slack = max(noise, rtol * 1e-2) * scale
        if not np.allclose(a, b, rtol=rtol, atol=slack, equal_nan=True):
            raise Difference(f"{where}: values differ by up to {np.nanmax(np.abs(a - b)):.3g}")
    elif not np.array_equal(a, b):
        raise Difference(f"{where}: values differ")


def _sweeps(a, b, where, name):
    """What fits that end some sweeps apart have in common: where they begin and end."""
    n, m = (len(a), len(b)) if name == "history" else (a, b)
    if np.max(np.abs(np.subtract(n, m)), initial=0) > SWEEPS:
        raise Difference(f"{where}: {n} sweeps, expected {m}")
    return (a[[0, -1]], b[[0, -1]]) if name == "history" else (b, b)


def compare_npz(a, b, noise=DOUBLE):
    """Arrays by name."""
    with np.load(a, allow_pickle=False) as x, np.load(b, allow_pickle=False) as y:
        if set(x.files) != set(y.files):
            raise Difference(f"{a.name}: arrays {sorted(x.files)}, expected {sorted(y.files)}")
        for name in y.files:
            if y[name].dtype.kind == "U" and str(y[name])[:1] == "{":
                _same_json(
                    json.loads(str(x[name])), json.loads(str(y[name])), f"{a.name}:{name}", noise
                )
            else:
                _close(x[name], y[name], f"{a.name}:{name}", noise)


def compare_h5(a, b, noise=DOUBLE):
    """Data sets and attributes by path."""
    import h5py

    def content(file):
        found = {}

        def visit(name, item):
            if isinstance(item, h5py.Dataset):
                found[name] = item[()]

        file.visititems(visit)
        return found, dict(file.attrs)

    with h5py.File(a) as x, h5py.File(b) as y:
        (got, got_attrs), (want, want_attrs) = content(x), content(y)
    if set(got) != set(want):
        raise Difference(f"{a.name}: data sets {sorted(got)}, expected {sorted(want)}")
    if set(got_attrs) != set(want_attrs):
        raise Difference(f"{a.name}: attributes {sorted(got_attrs)}")
    for name, value in want.items():
        _close(got[name], value, f"{a.name}:{name}", noise)
    for name, value in want_attrs.items():
        if not isinstance(value, np.ndarray) and got_attrs[name] != value:
            raise Difference(f"{a.name}: attribute {name} is {got_attrs[name]}, expected {value}")


def compare_tsv(a, b, noise=DOUBLE):
    """Columns in order, texts exact, numbers within tolerance."""
    import pandas as pd

    tables = []
    for path in (a, b):
        if path.stat().st_size == 0:
            tables.append(None)
            continue
        tables.append(pd.read_csv(path, sep="\t", na_values=["n/a"], keep_default_na=False))
    x, y = tables
    if (x is None) != (y is None):
        raise Difference(f"{a.name}: one of the tables is empty")
    if y is None:
        return
    if list(x.columns) != list(y.columns):
        raise Difference(f"{a.name}: columns {list(x.columns)}, expected {list(y.columns)}")
    if len(x) != len(y):
        raise Difference(f"{a.name}: {len(x)} rows, expected {len(y)}")
    if {"metric", "value"} <= set(y.columns):
        # one figure per row: seconds stand among the others
        volatile = y["metric"].isin(VOLATILE).to_numpy()
        for table in (x, y):
            table.loc[volatile, "value"] = 0.0
    for name in y.columns:
        if name in VOLATILE:
            continue
        if y[name].dtype.kind in "fiu":
            _close(x[name].to_numpy(), y[name].to_numpy(), f"{a.name}:{name}", noise)
        elif not x[name].equals(y[name]):
            raise Difference(f"{a.name}:{name}: texts differ")


def compare_json(a, b, noise=DOUBLE):
    """Recursive, numbers within tolerance, volatile keys ignored."""
    _same_json(json.loads(a.read_text()), json.loads(b.read_text()), a.name, noise)


def _same_json(x, y, where, noise=DOUBLE):
    if isinstance(y, dict):
        if not isinstance(x, dict) or set(x) - VOLATILE != set(y) - VOLATILE:
            raise Difference(f"{where}: keys differ")
        for key in set(y) - VOLATILE:
            if key in ROUNDING:
                if not (0 <= x[key] <= ROUNDING[key] and 0 <= y[key] <= ROUNDING[key]):
                    raise Difference(f"{where}.{key}: {x[key]}, expected at most {ROUNDING[key]}")
                continue
            # what a user set is written as it was set
            slack = 0 if key == "Parameters" else noise
            _same_json(x[key], y[key], f"{where}.{key}", slack)
    elif isinstance(y, list):
        if not isinstance(x, list) or len(x) != len(y):
            raise Difference(f"{where}: lists differ in length")
        for number, (left, right) in enumerate(zip(x, y)):
            _same_json(left, right, f"{where}[{number}]", noise)
    elif isinstance(y, float) and isinstance(x, float):
        slack = 1e-9 if noise == DOUBLE else noise
        same = math.isclose(x, y, rel_tol=RTOL, abs_tol=slack) or (math.isnan(x) and math.isnan(y))
        if not same:
            raise Difference(f"{where}: {x}, expected {y}")
    elif x != y or isinstance(x, bool) != isinstance(y, bool):
        raise Difference(f"{where}: {x!r}, expected {y!r}")


def compare_nifti(a, b, noise=DOUBLE):
    """Voxels, type and affine."""
    import nibabel

    sizes = {path.stat().st_size == 0 for path in (a, b)}
    if sizes == {True}:
        return
    if len(sizes) == 2:
        raise Difference(f"{a.name}: one of the images is empty")
    x, y = nibabel.load(a), nibabel.load(b)
    if x.get_data_dtype() != y.get_data_dtype():
        raise Difference(f"{a.name}: type {x.get_data_dtype()}, expected {y.get_data_dtype()}")
    if not np.allclose(x.affine, y.affine, atol=1e-5):
        raise Difference(f"{a.name}: the affine differs")
    _close(np.asarray(x.dataobj), np.asarray(y.dataobj), a.name, noise)


def compare_png(a, b, noise=DOUBLE):
    """Size, and not blank."""
    import matplotlib.image

    x, y = matplotlib.image.imread(a), matplotlib.image.imread(b)
    if x.shape[:2] != y.shape[:2]:
        raise Difference(f"{a.name}: size {x.shape[:2]}, expected {y.shape[:2]}")
    if x[..., :3].std() < 1e-3:
        raise Difference(f"{a.name}: the picture is blank")


def compare_graphml(a, b, noise=DOUBLE):
    """Nodes, edges in both directions, and their numbers."""
    import networkx

    x, y = networkx.read_graphml(a), networkx.read_graphml(b)
    if list(x.nodes) != list(y.nodes) or set(x.edges) != set(y.edges):
        raise Difference(f"{a.name}: nodes or edges differ")
    for edge, want in y.edges.items():
        for name, value in want.items():
            if not math.isclose(
                x.edges[edge].get(name, math.nan), value, rel_tol=RTOL, abs_tol=noise
            ):
                raise Difference(f"{a.name}: {name} of {edge} differs")


def compare_text(a, b, noise=DOUBLE):
    """The same lines."""
    if a.read_text() != b.read_text():
        raise Difference(f"{a.name}: texts differ")


def compare_html(a, b, noise=DOUBLE):
    """Pages hold pictures and times: only their headings are compared."""
    if headings(a) != headings(b):
        raise Difference(f"{a.name}: headings {headings(a)}, expected {headings(b)}")


def headings(page):
    """Texts of a page's headings in order."""
    return re.findall(r"<h[1-4][^>]*>(.*?)</h[1-4]>", page.read_text())


def report_text(workdir: Path) -> str:
    """All pages of the report of a run as one text of HTML."""
    return "".join(p.read_text() for p in sorted((workdir / "results/report").rglob("*.html")))


COMPARATORS = {
    ".npz": compare_npz,
    ".h5": compare_h5,
    ".tsv": compare_tsv,
    ".json": compare_json,
    ".nii.gz": compare_nifti,
    ".png": compare_png,
    ".graphml": compare_graphml,
    ".md": compare_text,
    ".bib": compare_text,
    ".bidsignore": compare_text,
    ".html": compare_html,
}


def compare(a: Path, b: Path, noise=DOUBLE):
    """Compare two files by suffix; an unknown suffix is a failure."""
    for suffix, comparator in COMPARATORS.items():
        if a.name.endswith(suffix):
            return comparator(a, b, noise)
    raise Difference(f"{a.name}: no comparator for this kind of file")


def files(folder: Path) -> set[str]:
    """Relative paths of all result files below a folder."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
        and path.name != ".snakemake_timestamp"
        and not path.relative_to(folder).as_posix().startswith(UNTRACKED)
    }


class OutputChecker:
    """Compares the files a rule wrote with the expected ones; missing and extra files fail."""

    def __init__(self, given, expected: Path, workdir: Path, present=(), noise=DOUBLE):
        self.given, self.expected, self.workdir = given, expected, workdir
        self.present, self.noise = present, noise

    def check(self):
        """Raise :class:`Difference` with all files that differ."""
        given, wanted, found = self.given, files(self.expected), files(self.workdir)
        allowed = {"results/inputs.tsv", "results/inputs.json"}
        for pattern in self.present:
            matching = [path for path in self.workdir.glob(pattern) if path.stat().st_size]
            if not matching:
                raise Difference(f"missing: {pattern}")
            allowed |= {path.relative_to(self.workdir).as_posix() for path in matching}
        extra = found - given - wanted - allowed
        if wanted - found:
            raise Difference(f"missing: {sorted(wanted - found)[:5]}")
        if extra:
            raise Difference(f"extra: {sorted(extra)[:5]}")
        different = []
        for name in sorted(wanted):
            try:
                compare(self.workdir / name, self.expected / name, self.noise)
            except Difference as found:
                different.append(str(found))
        if different:
            raise Difference("\n".join(different))


def snakemake(workdir, *arguments, check=True, checkout=ROOT, timeout=600, fresh=False):
    """Run Snakemake on a checkout's Snakefile in another working directory.

    With `fresh` every job is a process of its own, started as users have it.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    if checkout != ROOT:
        environment["PYTHONPATH"] = str(checkout)
    command = ["--snakefile", str(checkout / "Snakefile"), "--directory", str(workdir)]
    command += ["--workflow-profile", "none", *arguments]
    if checkout == ROOT and starter():
        result = starter().run(command, workdir, environment, timeout, fresh)
    else:
        result = subprocess.run(
            [sys.executable, "-m", "snakemake", *command],
            capture_output=True,
            text=True,
            cwd=workdir,
            env=environment,
            timeout=timeout,
        )
    if check and result.returncode:
        raise AssertionError(result.stderr[-4000:] + result.stdout[-1000:])
    return result


def only(settings: dict) -> dict:
    """Settings in which no stage runs beside `fmri` and `adhd` that they do not name."""
    from neuro.config import STAGES

    off = {name: {"enabled": False} for name in STAGES if name not in ("fmri", "adhd")}
    return off | settings


def fill_input(folder: Path):
    """Stand-ins for the input files that a rule does not read, so that the scan finds all runs."""
    from neuro.simulate.names import run_files, subject_labels

    if any(folder.glob("*_timeseries.tsv")) or any(folder.glob("task-*_bold.json")):
        return
    names = ["atlas.nii.gz", "participants.tsv"]
    for label in subject_labels(10):
        names += run_files(label).values()
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text('{"RepetitionTime": 2.0}' if path.suffix == ".json" else "x")


def run_rule(rule: str, tmp_path: Path, present=(), noise=DOUBLE):
    """Run one rule's stored case and check its output."""
    import yaml

    case = Path(__file__).parent / rule
    workdir = tmp_path / "run"
    if (case / "data").exists():
        shutil.copytree(case / "data", workdir)
    workdir.mkdir(exist_ok=True)
    expected = case / "expected"
    settings = tmp_path / "settings.yaml"
    settings.write_text(yaml.safe_dump(only(yaml.safe_load((case / "config.yaml").read_text()))))
    if "root: input" in (case / "config.yaml").read_text():
        fill_input(workdir / "input")
    given = files(workdir)
    targets = [name for name in (case / "targets.txt").read_text().split() if name]
    snakemake(
        workdir,
        *targets,
        "--configfile",
        str(settings),
        "--force",
        "--cores=1",
        "--notemp",
        "--show-failed-logs",
        "--target-files-omit-workdir-adjustment",
        "--allowed-rules",
        rule,
        fresh=True,
    )
    OutputChecker(given, expected, workdir, present, noise).check()
