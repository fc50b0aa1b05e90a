"""What reading costs: lists of runs, NWB units with many intervals, many images, empty trees.

Each job runs in a process of its own. CPU seconds are those of the reading, imports aside; the
memory is what the process has at its peak above what it had before it read. Nothing is compared
with a peer; the limits are those that the readers promise.

    python benchmarks/reading.py [--jobs scan nwb images] [--out benchmarks/results/reading.md]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from page import heading

ROOT = Path(__file__).parents[1]
PEOPLE, RUNS = 1000, 2
UNITS, INTERVALS = 100, 1000
IMAGES, SIDE = 10_000, 96
PHOTOGRAPH, REPEATS, SESSION = 425, 3, 750


def make_scan(folder: Path) -> None:
    """An fMRIPrep tree of empty files."""
    tree(folder / "in", PEOPLE)


def tree(folder: Path, n_people: int) -> None:
    """Runs of so many people: image, its metadata, mask, confounds."""
    ends = ("desc-preproc_bold.nii.gz", "desc-preproc_bold.json", "desc-brain_mask.nii.gz")
    for number in range(n_people):
        func = folder / f"sub-{number:04d}" / "func"
        func.mkdir(parents=True)
        for run in range(1, RUNS + 1):
            stem = func / f"sub-{number:04d}_task-rest_run-{run}"
            for end in ends:
                text = '{"RepetitionTime": 2.0}' if end.endswith("json") else ""
                Path(f"{stem}_space-MNI152NLin2009cAsym_{end}").write_text(text)
            Path(f"{stem}_desc-confounds_timeseries.tsv").write_text("")


def scan(folder: Path) -> str:
    """Find all runs and what belongs to each."""
    from neuro.config import resolve
    from neuro.run import layouts

    tree(folder / "one", 1)  # what is imported on the way is not reading
    config = {"data": {"kind": "fmriprep", "root": str(folder / "one")}, "adhd": {"enabled": False}}
    resolve(config)
    layouts.scan(config)
    config = {"data": {"kind": "fmriprep", "root": str(folder / "in")}, "adhd": {"enabled": False}}
    resolve(config)
    with measured():
        found = layouts.scan(config)
    return f"{len(found.rows):,} runs"


def make_nwb(folder: Path) -> None:
    """Units that were observed in many pieces."""
    from datetime import UTC, datetime

    from pynwb import NWBHDF5IO, NWBFile

    rng = np.random.default_rng(0)
    file = NWBFile("s", "day1", datetime(2024, 1, 1, tzinfo=UTC))
    starts = np.arange(INTERVALS) * 3.0
    for unit in range(UNITS):
        times = np.sort(rng.choice(starts, 2000) + 2 * rng.random(2000))
        spans = np.column_stack([starts, starts + 2])
        file.add_unit(spike_times=times, obs_intervals=spans, id=unit)
    with NWBHDF5IO(str(folder / "day.nwb"), "w") as handle:
        handle.write(file)


def nwb(folder: Path) -> str:
    """Read them, and put them into bins."""
    import pynwb  # noqa: F401

    from neuro.io.spikes.reader import read_spikes

    with measured():
        data = read_spikes(folder / "day.nwb")
    return f"{len(data.times)} units, {sum(map(len, data.observed)):,} intervals"


def make_images(folder: Path) -> None:
    """Images as uint8, and responses to them, in a folder and beside each other."""
    rng = np.random.default_rng(0)
    stored = np.lib.format.open_memmap(
        folder / "stimuli.npy", mode="w+", dtype=np.uint8, shape=(IMAGES, 3, SIDE, SIDE)
    )
    for first in range(0, IMAGES, 1000):
        stored[first : first + 1000] = rng.integers(0, 256, (1000, 3, SIDE, SIDE), np.uint8)
    np.save(folder / "responses.npy", rng.random((IMAGES, 20)).astype(np.float32))


def images(folder: Path) -> str:
    """Read stimuli and responses as `mds` does."""
    from neuro.io.responses.reader import finite, read_stimulus_response

    with measured():
        data = read_stimulus_response(folder)
        finite(data.stimuli, data.path)
    return f"{len(data.stimuli):,} images {' x '.join(map(str, data.stimuli.shape[1:]))}"


make_voxels = make_images


def voxels(folder: Path) -> str:
    """Read images and betas as `braindive` does."""
    import neuro.encoding.preprocess  # noqa: F401
    from neuro.braindive.dataset import read_data

    with measured():
        data = read_data(folder / "stimuli.npy", folder / "responses.npy")
    return f"{len(data.images):,} images {' x '.join(map(str, data.images.shape[1:]))}"


def make_subject(folder: Path) -> None:
    """A whole subject of NSD with few voxels; of each picture only the first line is not black."""
    import h5py
    import nibabel
    from scipy.io import savemat

    rng = np.random.default_rng(0)
    with h5py.File(folder / "nsd_stimuli.hdf5", "w") as file:
        # contiguous and never filled: the disk keeps what is written alone
        shape = (IMAGES, PHOTOGRAPH, PHOTOGRAPH, 3)
        brick = file.create_dataset("imgBrick", shape, "u1")
        for number in range(IMAGES):
            brick[number, 0] = rng.integers(0, 256, (PHOTOGRAPH, 3), np.uint8)
    order = rng.permutation(np.tile(np.arange(1, IMAGES + 1), REPEATS))
    pictures = np.tile(np.arange(1, IMAGES + 1), (8, 1))
    design = {"masterordering": order[None], "subjectim": pictures, "sharedix": pictures[:1, :1000]}
    savemat(folder / "nsd_expdesign.mat", design)
    betas = folder / "subj01" / "betas_fithrf"
    betas.mkdir(parents=True)
    grid = (10, 10, 10)
    mask = (rng.random(grid) < 0.2).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(mask, np.eye(4)), folder / "nsdgeneral.nii.gz")
    for session in range(len(order) // SESSION):
        with h5py.File(betas / f"betas_session{session + 1:02d}.hdf5", "w") as file:
            file["betas"] = rng.integers(-900, 900, (SESSION, *grid), dtype=np.int16)


def subject(folder: Path) -> str:
    """Read a subject of NSD as `braindive` does."""
    import neuro.encoding.preprocess  # noqa: F401
    from neuro.braindive.dataset import read_data

    with measured():
        data = read_data(folder)
    return f"{len(data.images):,} images of {IMAGES * REPEATS:,} trials"


def make_trees(folder: Path) -> None:
    """Nothing: the conformance set writes its own."""


def trees(folder: Path) -> str:
    """`init`, `check` and what the Snakefile asks, for every tree of empty files."""
    sys.path[:0] = [str(ROOT / "tests" / "conformance"), str(ROOT / "tests" / "unit")]
    import table
    from conformance_cases import DATA
    from test_from_init_to_plan import through

    groups = ("Trees of ", "BIDS examples", "File lists of ")
    cases = [
        case
        for case in table.CASES
        if case.group.startswith(groups) and (DATA.exists() or not case.listed)
    ]
    import warnings

    warnings.simplefilter("ignore")
    with measured(), contextlib.redirect_stderr(io.StringIO()):
        for number, case in enumerate(cases):
            place = folder / str(number)
            place.mkdir()
            through(case, place)
    return f"{len(cases)} trees"


JOBS = {
    "scan": (scan, make_scan, f"scan of {PEOPLE:,} people x {RUNS} runs", 1.0, None),
    "nwb": (nwb, make_nwb, f"NWB of {UNITS} units x {INTERVALS:,} intervals", 1.0, None),
    "images": (images, make_images, f"{IMAGES:,} stimuli, uint8, `.npy`", None, 2.0),
    "voxels": (voxels, make_voxels, f"{IMAGES:,} images of `braindive`, `.npy`", None, 2.0),
    # 2 GB
    "subject": (subject, make_subject, f"{IMAGES:,} pictures of 425 px, as NSD", None, 0.4),
    "trees": (trees, make_trees, "`init`, `check`, plan of every tree of empty files", 60.0, None),
}
"""Job, its data, what it is, limits: CPU s and sizes of the file."""
USED: dict[str, float] = {}


@contextlib.contextmanager
def measured():
    """CPU seconds and growth of the peak memory (MB) of a block."""
    before, start = _resident(), time.process_time()
    yield
    USED["cpu"] = time.process_time() - start
    USED["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before


def _resident() -> float:
    """Memory of this process that is its own (MB): a mapped file does not count."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return float(line.split()[1]) / 1024
    return 0.0


def report(name: str, folder: str) -> None:
    """Run a job and print what it read and used."""
    words = JOBS[name][0](Path(folder))
    sys.stdout.write(f"\n{words}|{USED['cpu']}|{USED['peak']}\n")


def measure(name: str) -> tuple[str, float, float, float]:
    """What was read, CPU s, growth of memory and size of the data (MB)."""
    code = "import reading, sys; reading.report(*sys.argv[1:])"
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    paths = os.pathsep.join([str(Path(__file__).parent), str(ROOT)])
    with tempfile.TemporaryDirectory() as top:
        JOBS[name][1](Path(top))
        size = sum(item.stat().st_size for item in Path(top).iterdir() if item.is_file()) / 2**20
        done = subprocess.run(
            [sys.executable, "-c", code, name, top],
            capture_output=True,
            text=True,
            env={**os.environ, **threads, "PYTHONPATH": paths},
            check=False,
        )
    if done.returncode:
        raise SystemExit(done.stderr)
    words, cpu, peak = done.stdout.strip().splitlines()[-1].split("|")
    return words, float(cpu), float(peak), size


def main(arguments=None) -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    lines = [
        *heading("Reading", "python benchmarks/reading.py", ("numpy", "h5py", "pynwb")),
        "CPU seconds without the start of Python and imports; memory above that before reading,",
        "pages of a mapped file included.",
        "",
        "| what | read | CPU s | limit | file, MB | memory, MB | x file | limit |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    late = []
    for name in options.jobs:
        words, cpu, peak, size = measure(name)
        _, _, what, most, times = JOBS[name]
        ratio = peak / size if times else float("nan")
        cells = [what, words, f"{cpu:.2f}", f"{most:g}" if most else "-"]
        cells += (
            [f"{size:.0f}", f"{peak:.0f}", f"{ratio:.2f}", f"{times:g}"] if times else ["-"] * 4
        )
        lines.append(f"| {' | '.join(cells)} |")
        print(lines[-1], flush=True)
        if (most and cpu > most) or (times and ratio > times):
            late.append(name)
    text = "\n".join(lines) + "\n"
    if options.out:
        options.out.write_text(text, "utf-8")
    print(text)
    if late:
        raise SystemExit(f"over the limit: {', '.join(late)}")


if __name__ == "__main__":
    main()
