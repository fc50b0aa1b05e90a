"""From the settings of the configuration to calls of the method; what the scripts share."""

from __future__ import annotations

import numpy as np

from neuro.base import seeds
from neuro.io.problems import InputProblem
from neuro.io.responses.reader import finite, read_stimulus_response
from neuro.mds.clusters.estimator import MostDiscriminativeStimuli
from neuro.mds.stimuli.discrete import condition_means, repeat_number
from neuro.mds.stimuli.space import DiscreteTwin, read_twin, search_space, write_twin
from neuro.mds.twin import beside, split
from neuro.mds.twin.energy import EnergyTwin
from neuro.mds.twin.foreign import CheckpointTwin
from neuro.mds.twin.image import Twin
from neuro.mds.twin.linear import EncoderTwin, TemporalTwin
from neuro.mds.twin.module import ModuleTwin
from neuro.stats.splits import hold_out

__all__ = [
    "load",
    "make_twin",
    "model",
    "plain",
    "read_twin",
    "search_space",
    "unit_table",
    "write_twin",
]
N_KEPT = 400
"""Training stimuli kept beside a twin, for scale, norm and range."""
N_SHOWN = 1000
"""The same beside an encoder: stimuli are picked among them."""
UNIT_COLUMNS = ("unit", "session", "roi", "known_type")


def load(path, settings, name):
    """A data set, with the settings of a user's own file.

    Parameters
    ----------
    path : path-like
    settings : dict
        The section `mds`.
    name : str
        Data set; the simulated ones take no settings of files.

    Returns
    -------
    neuro.io.responses.reader.StimulusResponses

    Raises
    ------
    InputProblem
    """
    own = name not in ("planted", "voxels")
    return read_stimulus_response(
        path,
        variable=settings["variable"] if own else None,
        discrete=own and settings["stimulus_space"] == "discrete",
    )


def twin_type(data, settings) -> str:
    """Kind of twin: the one that was asked for, or the one that fits the data.

    Raises
    ------
    InputProblem
        When no twin, or not this one, takes such stimuli.
    """
    if data.kind == "discrete":
        return "discrete"
    wanted = settings["twin"]["type"]
    if wanted == "auto":
        if data.kind in ("temporal", "clips"):
            return "temporal"
        if data.kind == "movie":
            raise InputProblem(
                f"{data.path}: movies need a twin of your own: mds.twin.type 'module', with "
                "mds.twin.module and mds.twin.predictions"
            )
        return "conv" if float(data.responses.min()) >= 0 else "encoder"
    allowed = {
        "temporal": ("temporal", "clips"),
        "module": ("image", "movie", "clips"),
    }.get(wanted, ("image",))
    if data.kind not in allowed:
        raise InputProblem(
            f"{data.path}: stimuli of kind '{data.kind}', but mds.twin.type is '{wanted}'; "
            f"expected {' or '.join(allowed)}"
        )
    return wanted


def make_twin(data, settings, seed, log=None):
    """Train the twin of a data set, or judge a given one; ridges of the same trials stand beside.

    Parameters
    ----------
    data : StimulusResponses
    settings : dict
        The section `mds`.
    seed : int
    log : callable, optional

    Returns
    -------
    twin
        With `beside_` and `why_`, see :func:`neuro.mds.twin.beside.compare`, and `shared_`.
    """
    kind, own = twin_type(data, settings), settings["twin"]
    if kind == "discrete":
        return discrete_twin(data)
    problems = finite(data.stimuli, data.path)
    if problems:
        raise InputProblem(problems)
    if kind == "checkpoint":
        twin = checkpoint(data, own)
    elif kind == "module":
        twin = given_module(data, own)
    elif kind == "temporal":
        twin = TemporalTwin(own["n_lags"], random_state=seed)
    elif kind == "encoder":
        twin = EncoderTwin(own["backbone"], random_state=seed)
    elif kind == "energy":
        twin = EnergyTwin(seed)
    else:
        twin = Twin(own["epochs"], device=settings["device"], random_state=seed)
    tier = split.planned(data, seed)
    twin.fit(data.stimuli, data.responses, tier, log)
    shared = getattr(twin, "shared_", 0) + split.shared(data, tier)
    asked = own["type"] != "auto"
    twin, twin.beside_, twin.why_ = beside.compare(twin, data, tier, seed, asked, log)
    twin.shared_ = shared
    return twin


def checkpoint(data, own):
    """The checkpoint that the settings name, verified."""
    return CheckpointTwin(
        own["path"], data.stimuli.shape[1:], len(data.unit), own.get("predictions")
    )


def given_module(data, own):
    """The module that the settings name, verified."""
    return ModuleTwin(
        own["module"], data.stimuli.shape[1:], len(data.unit), own["predictions"], own["kwargs"]
    )


def discrete_twin(data) -> DiscreteTwin:
    """Condition means of a discrete set, odd and even repeats apart."""
    number = repeat_number(data.condition)
    if number.max() == 0:
        return DiscreteTwin(*condition_means(data.responses, data.condition))
    odd, names = condition_means(data.responses, data.condition, number % 2 == 0)
    even, _ = condition_means(data.responses, data.condition, number % 2 == 1)
    lacking = ~np.isfinite(even).all(axis=0) | ~np.isfinite(odd).all(axis=0)
    odd[:, lacking] = 0.0
    even[:, lacking] = 0.0
    return DiscreteTwin(odd, names, even)


def unit_table(data, twin, settings, seed):
    """Units with what is known of them, and those that are left out.

    Parameters
    ----------
    data : StimulusResponses
    twin
    settings : dict
    seed : int

    Returns
    -------
    table : dict of str to list
        unit, session, roi, known_type, twin_corr, source (column of the twin), held_out.
    excluded : list of (unit, reason)
    twin
        With the cells made from units, where they were asked for.

    Raises
    ------
    InputProblem
        When all units are excluded.
    """
    least = settings["twin"]["min_test_corr"] if twin.kind != "discrete" else -1.0
    corr = np.asarray(twin.test_correlation_)
    columns = {key: data.units.get(key, [""] * len(data.unit)) for key in UNIT_COLUMNS}
    excluded = list(data.excluded)
    bad = ~(corr >= least)
    excluded += [
        (data.unit[k], f"twin's test correlation {corr[k]:.3f} < {least:g}")
        for k in np.flatnonzero(bad)
    ]
    if bad.all():
        raise InputProblem(
            f"{data.path}: all {len(bad)} units are excluded, the best test correlation is "
            f"{np.nanmax(corr):.3f}; lower mds.twin.min_test_corr or train longer"
        )
    source = np.flatnonzero(~bad)
    made = settings["made_cells"]
    if made["per_unit"] and twin.kind == "temporal":
        twin, origin = twin.make_cells(made["per_unit"], made["filter_noise"], random_state=seed)
        kept = np.flatnonzero(~bad[origin])
        number = np.tile(np.arange(1, made["per_unit"] + 1), len(corr))
        names = [f"{data.unit[origin[k]]}_made{number[k]:02d}" for k in kept]
        table = {key: [columns[key][origin[k]] for k in kept] for key in UNIT_COLUMNS}
        table["unit"], source = names, kept
        corr = corr[origin]
    else:
        table = {key: [columns[key][k] for k in source] for key in UNIT_COLUMNS}
    n = len(source)
    held = np.zeros(n, bool)
    # Small recordings need every unit.
    if n >= 20:
        n_held = round(settings["held_out_fraction"] * n)
        held = hold_out(np.arange(n), n_held, seeds.stream(seed, "held-out units"))
    table |= {
        "twin_corr": [float(value) for value in corr[source]],
        "source": [int(value) for value in source],
        "held_out": [bool(value) for value in held],
    }
    return table, excluded, twin


def kept_stimuli(data, twin) -> np.ndarray | None:
    """Training stimuli that go with a twin, one trial of each; None for a discrete set."""
    if twin.kind == "discrete":
        return None
    rows = np.flatnonzero(data.tier == "train")
    if data.family is not None:
        rows = rows[np.sort(np.unique(data.family[rows], return_index=True)[1])]
    if twin.kind == "temporal":
        return twin.training_stimuli(data.stimuli[rows], N_KEPT)
    n = min(N_SHOWN if twin.kind == "encoder" else N_KEPT, len(rows))
    pick = rows[np.linspace(0, len(rows) - 1, n).astype(int)]
    return np.asarray(data.stimuli[np.unique(pick)], np.float32)


def model(settings, seed) -> MostDiscriminativeStimuli:
    """The unfitted estimator that the settings mean."""
    return MostDiscriminativeStimuli(
        preset=settings["preset"],
        n_clusters_init=settings["n_clusters_init"],
        temperature=settings["temperature"],
        norm="auto" if settings["norm"] is None else settings["norm"],
        clip="auto" if settings["clip"] is None else settings["clip"],
        eta=settings["eta"],
        min_size=settings["min_size"],
        n_restarts=settings["n_restarts"],
        subsample=settings["subsample"],
        k_ladder=tuple(settings["k_ladder"]),
        device=settings["device"],
        random_state=seed,
    )


def fit_mask(facts) -> np.ndarray:
    """Units that take part in the search."""
    return ~np.asarray(facts["table"]["held_out"], bool)


def unit_filters(twin, source) -> np.ndarray | None:
    """Filters or readout weights of the used units, (n_weights, n_units); None without any.

    Parameters
    ----------
    twin
    source : sequence of int
        Columns of the twin's responses.
    """
    if twin.kind == "temporal":
        every = twin.filters_.reshape(len(twin.filters_), -1).T
    elif twin.kind in ("encoder", "energy"):
        every = twin.weights_
    elif twin.kind == "checkpoint":
        every = twin.weights
    elif "readout.weights" in getattr(twin, "state_", {}):
        every = twin.state_["readout.weights"].detach().cpu().numpy()
    else:
        return None
    return np.asarray(every, np.float64)[:, list(source)]


def plain(model, twin, table, seed) -> list[dict]:
    """Plain clusterings of the fitted units; empty where no features were kept.

    Parameters
    ----------
    model : MostDiscriminativeStimuli
        Fitted, with `probe_`.
    twin
    table : dict
    seed : int

    Returns
    -------
    list of dict
        See :func:`neuro.mds.clusters.baselines.baselines`; `known_type_ari` where types are known.
    """
    from neuro.mds.clusters.baselines import baselines
    from neuro.mds.summary import known_types

    used = np.flatnonzero(model.fitted_)
    features = {"responses": model.probe_[:, used]}
    filters = unit_filters(twin, np.asarray(table["source"])[used])
    if filters is not None:
        features["filters"] = filters
    rows = baselines(features, model.labels_[used], seed)
    types = np.asarray(table["known_type"], dtype=str)[used]
    for row in rows:
        agreement = known_types(row.pop("labels"), types)
        row["known_type_ari"] = agreement.get("known_type_ari", float("nan"))
    return rows


def typing_protocols(model, seed) -> list[dict]:
    """Typing by the stimuli that were found beside typing by ordinary ones.

    See :func:`neuro.mds.clusters.protocols.protocols`.
    """
    from neuro.mds.clusters.protocols import protocols

    used = np.flatnonzero(model.fitted_ & (model.labels_ >= 0))
    ordinary = model.probe_[:, used] / model.scale_[used]
    return protocols(model.responses_[:, used], ordinary, model.labels_[used], seed)


def restarts_of(share, settings) -> list[int]:
    """Numbers of the restarts of one job."""
    size = settings["restarts_per_job"]
    return list(range(share * size, min((share + 1) * size, settings["n_restarts"])))


def even_typing(twin, table, stimuli, labels, seed=0) -> dict:
    """Typing on even repeats with stimuli from odd ones, for discrete sets with repeats.

    Parameters
    ----------
    twin
    table : dict
    stimuli : array of int, shape (K,)
        Conditions that were picked on odd repeats.
    labels : array of int, shape (n_units,)
        Clusters on odd repeats.
    seed : int, default 0

    Returns
    -------
    dict
        `even_typing_ari` against the labels, and `even_typing_shuffled`, the mean over 100
        shuffles of each unit's conditions; empty for other sets.
    """
    from neuro.stats.agreement import adjusted_rand

    if twin.kind != "discrete" or twin.other is None:
        return {}
    other = twin.other[:, table["source"]]
    rng = seeds.generator(seed, "shuffled conditions")
    shuffles = (rng.permuted(other, axis=0) for _ in range(100))
    null = [adjusted_rand(shuffled[stimuli].argmax(axis=0), labels) for shuffled in shuffles]
    return {
        "even_typing_ari": adjusted_rand(other[stimuli].argmax(axis=0), labels),
        "even_typing_shuffled": float(np.mean(null)),
    }


def join_known(table, path) -> None:
    """Put the known types of a table `unit`, `known_type` into the units' table.

    Raises
    ------
    InputProblem
        When a column is missing or no unit is named.
    """
    from neuro.io.formats.tables import read_tsv

    rows = read_tsv(path, dtype=str)
    absent = [name for name in ("unit", "known_type") if name not in rows.columns]
    if absent:
        raise InputProblem(f"{path}: no column '{absent[0]}'; found {', '.join(rows.columns)}")
    types = dict(zip(rows["unit"], rows["known_type"].fillna("")))
    if not set(types) & set(table["unit"]):
        raise InputProblem(
            f"{path}: names none of the units, which are called {', '.join(table['unit'][:3])}..."
        )
    table["known_type"] = [types.get(unit, "") for unit in table["unit"]]


def forget(path) -> None:
    """Remove a checkpoint that has served."""
    from pathlib import Path

    Path(path).unlink(missing_ok=True)
