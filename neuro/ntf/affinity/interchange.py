"""Fitted factors to and from tensorly's `CPTensor`."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from neuro.ntf.factors.cptensor import cp_factors
from neuro.ntf.factors.models import NonNegativeCP
from neuro.ntf.factors.operators import as_operator


def to_cp_tensor(model):
    """A three-way model as tensorly's `CPTensor`.

    Parameters
    ----------
    model : NonNegativeCP or neuro.ntf.files.Factors

    Returns
    -------
    tensorly.cp_tensor.CPTensor
        Weights `lambda_`; modes time, animals, pairs.

    Raises
    ------
    ValueError
        For the concatenated model, whose time courses are each animal's own.
    """
    from tensorly.cp_tensor import CPTensor

    if model.time_.ndim != 2:
        raise ValueError("CPTensor: a concatenated model has no time mode that animals share")
    return CPTensor((model.lambda_, [model.time_, model.animals_, model.pairs_]))


def from_cp_tensor(cp, X=None, *, mask=None, frame_mask=None) -> NonNegativeCP:
    """A fitted model with the factors of somebody else's decomposition.

    Parameters
    ----------
    cp : tensorly.cp_tensor.CPTensor or tuple (weights, factors)
        Modes time, animals, pairs; not negative.
    X, mask, frame_mask : optional
        The tensor, as for :meth:`NonNegativeCP.fit`; without it `errors_` is NaN.

    Returns
    -------
    NonNegativeCP
        Components sorted by weight, those of weight 0 dropped.

    Raises
    ------
    ValueError
        When the factors are no such model, or of another shape than the tensor.
    """
    factors = cp_factors(cp)
    shape = tuple(len(factor) for factor in factors)
    unknown = SimpleNamespace(
        shape=shape, pair_mask=None, frame_mask=None, entries=None, sq_norm=np.nan, signed=False
    )
    operator = unknown if X is None else as_operator(X, mask, frame_mask)
    model = NonNegativeCP(factors[0].shape[1], n_starts=1, init=cp)
    start = model._begin(operator)[0]
    start.history = [np.nan]
    model._finish(operator, [start])
    if X is not None:
        model.errors_ = np.sqrt(np.maximum([1.0 - model.score(operator)], 0))
        model.history_ = model.errors_**2 * operator.sq_norm
    return model
