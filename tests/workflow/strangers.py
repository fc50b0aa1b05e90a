"""Small inputs of every kind that the recipes of docs/own_data.md are run on, under their names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

REGIONS = 8


def fmriprep(folder: Path) -> None:
    """`derivatives/fmriprep`: sessions and runs of four subjects, tiny images."""
    import datasets

    datasets.fmriprep(folder / "derivatives" / "fmriprep")


def tables(folder: Path, n_people=24, n_volumes=120) -> None:
    """`my_tables`: a table of named regions per person, and who they are."""
    rng = np.random.default_rng(1)
    top = folder / "my_tables"
    top.mkdir()
    mix = rng.standard_normal((REGIONS, REGIONS)) / 3 + np.eye(REGIONS)
    names = [f"Region{k}" for k in range(REGIONS)]
    rows = ["participant_id\tsite\tage\tsex\tdx"]
    for k in range(n_people):
        series = rng.standard_normal((n_volumes, REGIONS)) @ mix
        text = "\n".join("\t".join(f"{v:.4f}" for v in line) for line in series)
        path = top / f"sub-{k:02d}_task-rest_timeseries.tsv"
        path.write_text("\t".join(names) + "\n" + text + "\n")
        rows.append(f"sub-{k:02d}\t{'AB'[k % 2]}\t{20 + k}\t{'MF'[k // 2 % 2]}\t{k // 3 % 2}")
    (top / "participants.tsv").write_text("\n".join(rows) + "\n")


def calcium(folder: Path) -> None:
    """`worms`: a CSV of named neurons with a clock per animal, and the events."""
    rng = np.random.default_rng(2)
    top = folder / "worms"
    top.mkdir()
    rows = ["animal\tonset_s\tduration_s\tcondition"]
    for animal in ("worm1", "worm2", "worm3"):
        # transients that rise at once and fall within 2 s, in two groups of neurons
        kernel = np.exp(-np.arange(40) / 8.0)
        bursts = [np.convolve(rng.random(600) < 0.02, kernel)[:600] for _ in range(2)]
        traces = np.stack([bursts[k % 2] for k in range(9)], axis=1)
        traces = traces + 0.02 * rng.standard_normal((600, 9))
        time = np.arange(600) / 4.0
        lines = [",".join(["time_s", *(f"N{k}" for k in range(9))])]
        lines += [",".join(f"{v:.4f}" for v in (t, *row)) for t, row in zip(time, traces)]
        (top / f"{animal}.csv").write_text("\n".join(lines) + "\n")
        rows += [f"{animal}\t{onset}\t20\t{name}" for onset, name in ((20, "salt"), (90, "odour"))]
    (top / "events.tsv").write_text("\n".join(rows) + "\n")


def spikes(folder: Path) -> None:
    """`day1.nwb` and `day2.nwb`: units that fire in bouts, recorded throughout."""
    from datetime import UTC, datetime

    from pynwb import NWBHDF5IO, NWBFile

    rng = np.random.default_rng(3)
    for day in (1, 2):
        file = NWBFile("s", f"day{day}", datetime(2024, 1, day, tzinfo=UTC))
        for unit in range(6):
            rate = np.where(np.arange(120) // 10 % 2 == unit % 2, 12.0, 3.0)
            counts = rng.poisson(rate)
            times = np.concatenate([k + rng.random(n) for k, n in enumerate(counts)])
            file.add_unit(spike_times=np.sort(times), obs_intervals=[[0.0, 120.0]], id=unit)
        with NWBHDF5IO(str(folder / f"day{day}.nwb"), "w") as handle:
            handle.write(file)


def responses(folder: Path) -> None:
    """`my_cells.npz`: pictures and the responses of two types of cells."""
    rng = np.random.default_rng(4)
    stimuli = rng.random((160, 1, 16, 16)).astype(np.float32)
    light = stimuli[:, 0, :8].mean(axis=(1, 2)) - stimuli[:, 0, 8:].mean(axis=(1, 2))
    sign = np.repeat([1, -1], 8)
    drive = 4 * np.maximum(light[:, None] * 8 * sign, 0)
    noisy = rng.poisson(1 + drive).astype(np.float32)
    np.savez(folder / "my_cells.npz", stimuli=stimuli, responses=noisy)


def voxels(folder: Path) -> None:
    """`images.npy`, `betas.npy` and `rois.tsv`: coloured pictures, voxels that like one colour."""
    rng = np.random.default_rng(5)
    kind = rng.integers(0, 2, 240)
    images = rng.random((240, 3, 16, 16)).astype(np.float32) * 0.4
    images[kind == 0, 0] += 0.5
    images[kind == 1, 2] += 0.5
    betas = (kind[:, None] == np.repeat([0, 1], 25)) + 0.5 * rng.standard_normal((240, 50))
    np.save(folder / "images.npy", images)
    np.save(folder / "betas.npy", betas.astype(np.float32))
    rows = [f"v{k:03d}\t{'FFA' if k < 25 else 'PPA'}" for k in range(50)]
    (folder / "rois.tsv").write_text("voxel\troi\n" + "\n".join(rows) + "\n")
