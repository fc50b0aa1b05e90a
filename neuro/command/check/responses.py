"""Look at every stimulus-response data set once before anything runs."""

from __future__ import annotations

from neuro.io.problems import InputProblem

LEAST = 10
"""Training trials that a twin needs."""


def recordings(section, show=None) -> tuple[list[str], list[str]]:
    """Check the data named under `mds.input`, and what goes with them.

    Parameters
    ----------
    section : dict
        Resolved section `mds`.
    show : callable, optional
        Called with the path and content of everything that is read.

    Returns
    -------
    lines : list of str
        One per readable data set: what it holds.
    problems : list of str
        All problems, one line each.
    """
    from neuro.config.mds import NAMED, sets

    lines: list[str] = []
    problems: list[str] = []
    if not section["enabled"]:
        return lines, problems
    for name, path in sets(section).items():
        if name not in NAMED:
            what, wrong = _data(path, section, name, show)
            lines += what
            problems += wrong
    if section["new_recording"]:
        what, wrong = _new_cells(section["new_recording"])
        lines += what
        problems += wrong
    return lines, problems


def _data(path, section, name, show):
    """What a data set holds, and what is wrong with it."""
    from neuro.io.responses.reader import TIERS, finite
    from neuro.mds import stage

    try:
        data = stage.load(path, section, name)
    except InputProblem as problem:
        return [], problem.problems
    problems = finite(data.stimuli, data.path)
    if show:
        show(path, data)
    problems += _twin(data, section)
    if len(data.unit) < section["n_clusters_init"]:
        problems.append(
            f"{path}: {len(data.unit)} units that can be used, fewer than mds.n_clusters_init "
            f"({section['n_clusters_init']})"
        )
    if section["known_types"]:
        try:
            stage.join_known({"unit": data.unit}, section["known_types"])
        except InputProblem as problem:
            problems += problem.problems
    tiers = data.tier.tolist()
    counts = [f"{tiers.count(tier)} {tier}" for tier in TIERS if tier in tiers]
    shape = "" if data.stimuli is None else f" {' x '.join(map(str, data.stimuli.shape[1:]))}"
    left_out = f", {len(data.excluded)} units left out" if data.excluded else ""
    what = (
        f"{name}: {path}: {len(data.unit)} units, {len(tiers)} trials ({', '.join(counts)}), "
        f"{data.kind}{shape}{left_out}"
    )
    return [what, *(f"{name}: {path}: note: {note}" for note in data.notes)], problems


def _twin(data, section):
    """Problems of the twin that would be trained on the data."""
    from neuro.mds import stage

    try:
        kind = stage.twin_type(data, section)
    except InputProblem as problem:
        return problem.problems
    if kind == "discrete":
        return []
    problems = []
    n_train = int((data.tier == "train").sum())
    if n_train < LEAST and kind not in ("checkpoint", "module"):
        problems.append(
            f"{data.path}: {n_train} training trials, expected at least {LEAST} to train a twin"
        )
    if kind == "conv" and float(data.responses.min()) < 0:
        problems.append(
            f"{data.path}: responses as low as {data.responses.min():.3g}; mds.twin.type conv "
            "predicts rates >= 0, use encoder"
        )
    if kind in ("checkpoint", "module"):
        given = stage.checkpoint if kind == "checkpoint" else stage.given_module
        try:
            given(data, section["twin"])
        except ValueError as problem:
            problems.append(str(problem))
    return problems


def _new_cells(path):
    """What a recording of new cells holds, and what is wrong with it."""
    from neuro.mds.files import read_new_recording

    try:
        responses = read_new_recording(path)["responses"]
    except InputProblem as problem:
        return [], problem.problems
    *repeats, n_stimuli, n_cells = responses.shape
    n = repeats[0] if repeats else 1
    return [f"{path}: {n_cells} new cells, {n_stimuli} stimuli, {n} repeats"], []
