"""Beside every image twin: a ridge on pixels, energies at one place; which of them is better."""

from __future__ import annotations

import numpy as np

from neuro.encoding.targets import average_repeats, signal_to_noise
from neuro.mds.twin.energy import EnergyTwin
from neuro.mds.twin.linear import EncoderTwin

EXPLAINABLE = 0.15
"""Share of a unit's variance that stimuli must explain before its explained fraction is told."""
COLUMNS = [
    "twin",
    "validation",
    "test",
    "test_90",
    "ceiling",
    "fev",
    "n_units_fev",
    "chosen",
]
"""Columns of twins.tsv."""
NAMES = {
    "conv": "network trained here",
    "energy": "energies at one place",
    "encoder": "image features",
    "temporal": "ridge on lags",
    "checkpoint": "checkpoint",
    "module": "module",
    "pixels": "ridge on pixels",
}


def explained(guess, responses, stimulus) -> tuple[np.ndarray, np.ndarray]:
    """Fraction of the explainable variance that is explained, and the ceiling of the correlation.

    Parameters
    ----------
    guess : array, shape (n_trials, n_units)
        Predictions of single test trials, in the units of the responses.
    responses : array, shape (n_trials, n_units)
    stimulus : array, shape (n_trials,)
        Trials of one stimulus have one number.

    Returns
    -------
    fev : ndarray, shape (n_units,)
        One minus the mean squared error less the noise, over the variance of the responses less
        the noise; stimuli count alike. 1 for the truth, 0 for the mean, below 0 for less. NaN for
        units whose stimuli explain less than :data:`EXPLAINABLE` of the variance.
    ceiling : ndarray, shape (n_units,)
        Correlation of the true mean responses with single trials. NaN, as `fev`, where fewer than
        three stimuli or none with repeats are there.

    References
    ----------
    Cadena, S. A. et al. (2019). Deep convolutional models improve predictions of macaque V1
    responses to natural images. PLOS Computational Biology 15 (fraction of explainable variance).
    """
    responses = np.asarray(responses, np.float64)
    number = np.unique(np.asarray(stimulus), return_inverse=True)[1].ravel()
    mean, first, count = average_repeats(responses, number)
    power = signal_to_noise(responses, number) ** 2
    group = np.argsort(np.argsort(np.unique(number, return_index=True)[1]))[number]
    free = max(len(responses) - len(mean), 1)
    total = np.zeros((len(first), responses.shape[1]))
    np.add.at(total, group, responses)
    noise = ((responses - (total / count[:, None])[group]) ** 2).sum(axis=0) / free
    signal = power * noise
    error = np.zeros_like(total)
    np.add.at(error, group, (np.asarray(guess, np.float64) - responses) ** 2)
    error = (error / count[:, None]).mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = power / (1 + power)
        fev = np.where(share >= EXPLAINABLE, 1 - (error - noise) / signal, np.nan)
    return fev, np.sqrt(share)


def in_twins_units(twin, responses) -> np.ndarray:
    """Responses in the units of a twin's predictions."""
    responses = np.asarray(responses, np.float64)
    if twin.kind in ("checkpoint", "module"):
        return responses
    scaled = (responses - getattr(twin, "mean_", 0.0)) / np.where(twin.scale_ > 0, twin.scale_, 1)
    return scaled


def _judged(name, twin, data, rows) -> dict:
    """A row of twins.tsv."""
    row = {"twin": NAMES[name], "validation": getattr(twin, "validation_", np.nan)}
    corr = np.asarray(twin.test_correlation_)
    row |= {"test": float(corr.mean()), "test_90": float(np.quantile(corr, 0.9))}
    row |= {"ceiling": np.nan, "fev": np.nan, "n_units_fev": 0, "chosen": 0}
    family = None if data.family is None else data.family[rows]
    if family is None or len(np.unique(family)) == len(family) or data.kind != "image":
        return row
    guess = twin.predict(np.asarray(data.stimuli[rows]))
    fev, ceiling = explained(guess, in_twins_units(twin, data.responses[rows]), family)
    finite = np.isfinite(fev)
    row["n_units_fev"] = int(finite.sum())
    if np.isfinite(ceiling).any():
        row["ceiling"] = float(np.nanmean(ceiling))
    if finite.any():
        row["fev"] = float(fev[finite].mean())
    return row


def compare(twin, data, tier, seed, asked=False, log=None):
    """Fit the ridges on the same trials, and pick.

    A network learns from the training trials and is stopped by the validation trials; ridges that
    stand beside one learn from the same trials and no others. Beside a twin that learns from both
    parts in the end, so do they.

    Parameters
    ----------
    twin
        Fitted.
    data : StimulusResponses
    tier : array of str, shape (n_trials,)
    seed : int
    asked : bool
        Whether the settings name this kind of twin; it is kept then.
    log : callable, optional

    Returns
    -------
    twin
        The one given, or the energies at one place, where a network of our own is worse by the
        validation trials.
    rows : list of dict
        One per twin, see :data:`COLUMNS`.
    why : str
        A sentence about the choice.
    """
    test = np.flatnonzero(np.asarray(tier) == "test")
    every = {twin.kind: twin}
    if data.kind == "image":
        if twin.kind != "energy":
            every["energy"] = EnergyTwin(seed)
        if not (twin.kind == "encoder" and twin.backbone == "pixels"):
            every["pixels"] = EncoderTwin("pixels", random_state=seed)
        for other in list(every.values())[1:]:
            other.fit(data.stimuli, data.responses, tier, refit=twin.kind != "conv")
    rows = {name: _judged(name, model, data, test) for name, model in every.items()}
    chosen, why = _choice(twin.kind, {name: row["validation"] for name, row in rows.items()}, asked)
    rows[chosen]["chosen"] = 1
    if log:
        log(why)
    return every[chosen], list(rows.values()), why


def _choice(kind, levels, asked) -> tuple[str, str]:
    """Kind that is taken, and why."""
    if len(levels) == 1:
        return kind, f"{NAMES[kind]}: itself a ridge on the stimulus, no other twin stands beside."
    if kind in ("checkpoint", "module"):
        return kind, f"{NAMES[kind]}: given and verified; ridges of the same trials stand beside."
    chosen = kind
    if kind == "conv" and not asked and levels["energy"] > levels["conv"]:
        chosen = "energy"
    figures = ", ".join(f"{NAMES[name]} {level:.3f}" for name, level in levels.items())
    why = f"Taken: {NAMES[chosen]}. Mean correlation with validation trials: {figures}."
    better = [name for name in levels if levels[name] > levels[chosen]]
    if "pixels" in better:
        why += (
            " The ridge on pixels is better and not taken: its units have no place that could be "
            "moved to one position, so that groups would be places."
        )
    if "energy" in better:
        why += (
            " Energies at one place are better and not taken: "
            + (f"mds.twin.type names '{kind}'" if asked else "the responses are signed")
            + "; set mds.twin.type: energy to use them."
        )
    return chosen, why
