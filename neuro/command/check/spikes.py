"""Look at every spike recording once before anything runs."""

from __future__ import annotations

from neuro.io.problems import InputProblem


def recordings(section) -> tuple[list[str], list[str]]:
    """Check the recordings named under `hmmglm.sets`.

    Parameters
    ----------
    section : dict
        Resolved section `hmmglm`.

    Returns
    -------
    lines : list of str
        One per readable recording: what it holds.
    problems : list of str
        All problems, one line each.
    """
    if not section["enabled"] or "spikes" not in section["input"]:
        return [], []
    from neuro.config.hmmglm_sets import files
    from neuro.io.spikes.data import CountData
    from neuro.io.spikes.reader import read_spikes

    lines, problems = [], []
    for name, value in section["sets"].items():
        for path in files(value):
            try:
                data = read_spikes(
                    path,
                    kind=section["kind"],
                    time_unit=section["time_unit"],
                    mat_key=section["mat_key"],
                    unit_filter=section["unit_filter"],
                    trial_window=section["trial_window"],
                )
            except InputProblem as problem:
                problems += problem.problems
                continue
            if isinstance(data, CountData):
                n_bins = sum(len(item) for item in data.sequences)
                what = f"{len(data.sequences)} sequences, {n_bins} bins of {data.bin_s:g} s"
                lines.append(f"{name}: {path}: {len(data.units)} units, {what}")
                continue
            trials = "" if data.trials is None else f", {len(data.trials)} trials"
            lines.append(
                f"{name}: {path}: {len(data.times)} units, {data.n_spikes} spikes, "
                f"{data.first:.1f} to {data.last:.1f} s{trials}"
            )
    return lines, problems
