"""Sequences of counts as an estimator gets them, checked."""

from __future__ import annotations

import numpy as np

from neuro.io.problems import InputProblem


def check_sequences(
    sequences, masks=None, covariates=None, *, emission="poisson", min_neurons=2, bin_s=None
):
    """Bring sequences, masks and covariates into lists and refuse what cannot be counts.

    Parameters
    ----------
    sequences : list of ndarray, shape (T_i, N), or ndarray, shape (n, T, N)
        Or a `TsGroup` or `TsdFrame` of pynapple, see :func:`neuro.hmmglm.design.bins.bin_pynapple`.
    masks, covariates : list or None
    emission : {'poisson', 'bernoulli', 'gaussian'}
    min_neurons : int, default 2
    bin_s : float, optional
        Bin width (s) for a `TsGroup`.

    Returns
    -------
    sequences, masks, covariates : list, list or None, list or None

    Raises
    ------
    InputProblem
        All problems at once, one line each.
    """
    if hasattr(sequences, "time_support"):
        from neuro.hmmglm.design.bins import bin_pynapple

        binned = bin_pynapple(sequences, bin_s)
        sequences, masks = binned.sequences, binned.masks if masks is None else masks
    if isinstance(sequences, np.ndarray) and sequences.ndim == 2:
        # one recording is one sequence
        sequences = [sequences]
        masks = None if masks is None else [masks] if np.ndim(masks[0]) < 2 else masks
        covariates = None if covariates is None else [covariates]
    sequences = [np.asarray(array) for array in sequences]
    problems = []
    if not sequences:
        problems.append("hmmglm: no sequence; expected at least one of shape (T, N)")
    for number, array in enumerate(sequences):
        if array.ndim != 2:
            problems.append(f"hmmglm: sequence {number}: shape {array.shape}, expected (T, N)")
        elif not len(array):
            problems.append(f"hmmglm: sequence {number} is empty (0 bins); leave it out")
    if problems:
        raise InputProblem(problems)
    widths = sorted({array.shape[1] for array in sequences}, reverse=True)
    if len(widths) > 1:
        shown = ", ".join(str(width) for width in widths)
        raise InputProblem(f"hmmglm: neuron counts differ between sequences ({shown})")
    if widths[0] < min_neurons:
        problems.append(
            f"hmmglm: {widths[0]} neuron; couplings need at least {min_neurons} recorded together"
        )
    problems += _value_problems(sequences, emission)
    problems += _length_problems("mask", masks, sequences)
    problems += _length_problems("covariates", covariates, sequences)
    if problems:
        raise InputProblem(problems)
    return sequences, masks, covariates


def _value_problems(sequences, emission):
    values = np.concatenate([np.asarray(sequence, dtype=np.float64) for sequence in sequences])
    if np.isinf(values).any():
        return [f"hmmglm: counts have {int(np.isinf(values).sum())} infinite values"]
    if emission == "gaussian":
        return []
    problems = []
    negative = values < 0
    if negative.any():
        problems.append(
            f"hmmglm: counts have {int(negative.sum())} negative values (min {values.min():g})"
        )
    broken = np.nanmax(np.abs(values - np.round(values)), axis=0, initial=0.0) > 0
    if broken.any():
        unit = int(np.flatnonzero(broken)[0])
        problems.append(f"hmmglm: counts are not integers (unit {unit}); for BOLD use input: fmri")
    elif emission == "bernoulli" and not negative.any():
        more = int((values > 1).sum())
        if more:
            problems.append(
                f"hmmglm: {more} bins hold more than one spike (max {np.nanmax(values):g}); "
                "emission 'bernoulli' needs 0 or 1: use smaller bins or 'poisson'"
            )
    return problems


def _length_problems(name, given, sequences):
    if given is None:
        return []
    if len(given) != len(sequences):
        return [f"hmmglm: {len(given)} {name} for {len(sequences)} sequences"]
    return [
        f"hmmglm: {name} of sequence {number} has {len(one)} bins, the counts have {len(array)}"
        for number, (one, array) in enumerate(zip(given, sequences))
        if len(one) != len(array)
    ]
