"""The same seed on the same machine gives the same numbers; another seed does not."""

import hashlib
import json

import pytest
import yaml
from common import only, snakemake

from neuro.io.formats.tables import read_tsv

SETTINGS = {
    "data": {"kind": "simulated"},
    "simulate": {"n_subjects": 12, "voxel_mm": 12, "n_volumes": 60},
    "fmri": {"atlas": "simulated", "min_seconds": 60, "strategy": "6P", "scrub": False},
    "adhd": {
        "level": "roi",
        "features": ["degree", "cycle3"],
        "permutations": 4,
        "bootstrap": 100,
        "pca": [2],
        "repeats": 1,
        "outer_folds": 2,
        "inner_folds": 2,
        "schemes": ["pooled"],
    },
}
TIMES = {"WallSeconds", "seconds", "cpu_s", "peak_mb", "Commit", "Dirty", "Sources", "Inputs"}


def without_times(value):
    """JSON without what depends on the clock; checksums of packed files hold times as well."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def hdf5(path):
    """Data sets of a file as bytes, texts as lists."""
    import h5py
    import numpy as np

    items = []

    def visit(key, item):
        if isinstance(item, h5py.Dataset):
            text = item.dtype.kind == "O"
            value = np.asarray(item[()])
            items.append((key, [str(v) for v in value.ravel()] if text else value.tobytes()))

    with h5py.File(path) as file:
        file.visititems(visit)
    return items


def content(folder):
    """What stands in the result files: arrays, tables and JSON, times left out."""
    import nibabel
    import numpy as np

    found = {}
    for path in sorted((folder / "results").rglob("*")):
        name = path.relative_to(folder / "results").as_posix()
        if not path.is_file() or name.startswith(("logs", "benchmarks", "provenance", "report")):
            continue
        if path.suffix == ".json":
            value = without_times(json.loads(path.read_text()))
            found[name] = json.dumps(value, sort_keys=True)
        elif path.name.endswith(".nii.gz"):
            data = np.asarray(nibabel.load(path).dataobj) if path.stat().st_size else b""
            found[name] = hashlib.sha256(bytes(memoryview(np.ascontiguousarray(data)))).hexdigest()
        elif path.suffix == ".npz":
            with np.load(path) as arrays:
                found[name] = [(key, arrays[key].tobytes()) for key in sorted(arrays.files)]
        elif path.suffix == ".h5":
            found[name] = hdf5(path)
        elif path.suffix == ".tsv":
            table = read_tsv(path, dtype=str) if path.stat().st_size > 1 else None
            found[name] = (
                ""
                if table is None
                else table.drop(columns=[column for column in table if column in TIMES]).to_csv()
            )
    return found


@pytest.mark.slow
def test_the_same_seed_gives_the_same_results(tmp_path):
    runs = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        folder = tmp_path / name
        folder.mkdir()
        settings = only(SETTINGS) | {"execution": {"seed": seed}}
        (folder / "mine.yaml").write_text(yaml.safe_dump(settings))
        # jobs of their own, so that their hash seeds differ
        settings = ("--configfile", "mine.yaml", "--cores", "2")
        snakemake(folder, "adhd", *settings, fresh=True)
        runs.append(content(folder))
    same, again, other = runs
    assert set(same) == set(again) and len(same) > 100
    assert [name for name in same if same[name] != again[name]] == []
    changed = [name for name in same if same[name] != other.get(name)]
    assert "fmri/timeseries.h5" in changed and "adhd/predictions.tsv" in changed
