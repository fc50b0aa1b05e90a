"""Connectomes decoded again: at other demographics, or to see how much the bottleneck loses."""

from __future__ import annotations

import math

import numpy as np
from sklearn.utils.validation import check_is_fitted

from neuro.demovae.coding import schema


def reexpress(model, X, demographics=None, wanted=None, add_back=False) -> np.ndarray:
    """Connectomes with some demographics set to one value for everybody.

    Parameters
    ----------
    model : DemoVAE
        Fitted.
    X, demographics, add_back
        See :meth:`neuro.demovae.model.DemoVAE.reconstruct`.
    wanted : dict, optional
        Its argument `set`.

    Returns
    -------
    ndarray of float32, shape (n_rows, n_edges)

    Raises
    ------
    ValueError
        When demographics are needed and missing, or a column in `wanted` is unknown.
    """
    check_is_fitted(model)
    coder, codec, space = model.coder_, model.codec_, model.space_
    if wanted is None:
        wanted = {column.name: column.reference for column in coder.columns}
    unknown = [name for name in wanted if name not in coder.terms_]
    if unknown:
        raise ValueError(
            f"set: no column '{unknown[0]}' in the model; it has {', '.join(coder.terms_)}"
        )
    own = [name for name in coder.terms_ if name not in wanted]
    if demographics is None and (add_back or own):
        why = "add_back" if add_back else f"columns that keep their values ({', '.join(own)})"
        raise ValueError(f"demographics: missing; {why} needs them")
    rows = model._checked(X)
    Z = codec.encode(space.project(rows))
    if demographics is None:
        coded = np.zeros((len(rows), len(coder.names_)), dtype=np.float32)
    else:
        coded = model._told(schema.match_rows(X, demographics))
    other = coded.copy()
    for name, where in coder.fields().items():
        if name in wanted:
            other[:, where] = coder.code_value(name, wanted[name])
    decoded = codec.decode(Z, other)
    if not add_back:
        return space.back(decoded)
    change = decoded - codec.decode(Z, coded)
    return rows + (space.back(change) - space.back(np.zeros_like(change[:1])))


def reconstruction_error(model, X, demographics) -> float:
    """RMSE per edge of the reconstruction with the rows' own demographics."""
    coded = model._told(schema.match_rows(X, demographics))
    rows = model._checked(X)
    P = model.space_.project(rows)
    left = P - model.codec_.decode(model.codec_.encode(P), coded)
    total = float((left.astype(np.float64) ** 2).sum())
    total += float(model.space_.outside_energy(rows, P).sum())
    return math.sqrt(total / (len(rows) * model.n_features_in_))
