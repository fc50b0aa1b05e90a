"""Between twin and search: twins with their units on disk, and where stimuli are sought."""

from __future__ import annotations

import numpy as np

from neuro.io.problems import InputProblem
from neuro.mds.stimuli.discrete import DiscreteSpace, condition_means
from neuro.mds.stimuli.invariant import InvariantTwin
from neuro.mds.twin import files as twin_files


class DiscreteTwin:
    """Mean responses to recorded conditions, for sets without pixels.

    Attributes
    ----------
    values : ndarray, shape (n_conditions, n_units)
        z-scored per unit; from odd repeats where there are several.
    other : ndarray, shape (n_conditions, n_units), or None
        The same from even repeats.
    names : list of str
    test_correlation_ : ndarray, shape (n_units,)
        Between both halves; 1 where there is one repeat.
    """

    kind = "discrete"

    def __init__(self, values, names, other=None):
        self.values, self.names, self.other = np.asarray(values), list(names), other
        if other is None:
            self.test_correlation_ = np.ones(self.values.shape[1])
        else:
            product = (self.values * other).mean(axis=0)
            self.test_correlation_ = product


def write_twin(path, twin, table, stimuli, notes, fs=None):
    """Write a twin with its units and some training stimuli."""
    import torch

    if twin.kind == "discrete":
        content = {
            "kind": "discrete",
            "values": torch.as_tensor(twin.values),
            "other": None if twin.other is None else torch.as_tensor(twin.other),
            "names": [str(name) for name in twin.names],
            "units": {"table": table, "notes": notes, "fs": fs},
        }
        torch.save(content, path)
        return
    twin_files.save(path, twin, table=table, notes=notes, fs=fs, stimuli=torch.as_tensor(stimuli))


def read_twin(path):
    """Read what :func:`write_twin` wrote.

    Returns
    -------
    twin
        Callable on stimuli, or a :class:`DiscreteTwin`.
    facts : dict
        `table`, `notes`, `fs`, `stimuli` (ndarray or None).
    """
    import torch

    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
        kind = content["kind"]
    except Exception as error:
        reason = str(error).splitlines()[0][:60] if str(error) else type(error).__name__
        raise InputProblem(f"{path}: not a twin of this stage ({reason})") from None
    if kind == "discrete":
        other = content["other"]
        twin = DiscreteTwin(
            content["values"].numpy(), content["names"], None if other is None else other.numpy()
        )
        return twin, content["units"] | {"stimuli": None}
    twin, facts = twin_files.load(path)
    facts["stimuli"] = facts["stimuli"].numpy()
    return twin, facts


class Units:
    """A twin that answers for some of its units only, in the order of the table.

    Parameters
    ----------
    twin
    source : sequence of int
        Columns of the twin's responses.
    """

    def __init__(self, twin, source):
        self.twin, self.source = twin, list(source)
        self.offset = getattr(twin, "offset", 0.0)

    def centred(self, crop=True):
        """The twin at one position, its columns picked."""
        return _Picked(self.twin.centred(crop=crop), self.source)


class _Picked:
    def __init__(self, model, source):
        self.model, self.source = model, source
        for name in ("stimulus_shape", "cut", "messages"):
            setattr(self, name, getattr(model, name))
        if hasattr(model, "natural_norm"):
            self.natural_norm = self._natural_norm

    def _natural_norm(self, responses):
        every = np.zeros((len(responses), len(self.model.bias)))
        every[:, self.source] = responses
        return self.model.natural_norm(every, self.source)

    def __call__(self, x):
        return self.model(x)[:, self.source]


def among_shown(twin, settings) -> bool:
    """Whether stimuli are picked among shown ones rather than made.

    A linear readout of image features says little about images unlike those it was fitted on,
    so encoders pick unless told otherwise.
    """
    wanted = settings["stimulus_space"]
    return wanted == "shown" or (wanted == "auto" and twin.kind == "encoder")


def search_space(twin, facts, settings):
    """What :meth:`MostDiscriminativeStimuli.fit` takes.

    Parameters
    ----------
    twin
    facts : dict
        What :func:`read_twin` gave.
    settings : dict
        With `stimulus_space`, `rotations` and `shift`.

    Returns
    -------
    Units or DiscreteSpace
        A twin of the used units; or conditions, which for `shown` are the kept training stimuli
        with the twin's predictions, z-scored per unit.
    """
    source = facts["table"]["source"]
    if twin.kind == "discrete":
        return DiscreteSpace(twin.values[:, source])
    if among_shown(twin, settings):
        if twin.kind == "temporal":
            import torch

            deviations = torch.as_tensor(facts["stimuli"] - twin.offset)
            responses = twin.centred()(deviations).numpy()[:, source]
        else:
            responses = np.asarray(twin.predict(facts["stimuli"]), np.float64)[:, source]
        return DiscreteSpace(condition_means(responses, np.arange(len(responses)))[0])
    turns, shift = settings.get("rotations", 1), settings.get("shift", 0)
    if (turns > 1 or shift) and len(facts["stimuli"].shape) == 4:
        twin = InvariantTwin(twin, turns, shift)
    return Units(twin, source)
