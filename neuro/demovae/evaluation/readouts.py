"""How well demographics can be read out of features, on rows that no readout has seen."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd

from neuro.base import seeds
from neuro.demovae.coding.schema import level_names, missing, numbers, parse_columns
from neuro.stats.ridge import RidgePath
from neuro.stats.splits import sorted_folds, stratified_group_folds

ALPHAS = np.logspace(-6, 3, 19)
"""Ridge penalties, in units of the total variance of the features."""
SVM_C = (1.0, 10.0)
INNER, FRESH = 3, 5
"""Folds that choose a penalty, and folds of the fresh readouts inside the held-out rows."""
_SHUFFLES = 200
_ROUNDING = 1e-5
"""Fitted indicators (0 or 1) that vary less than this hold nothing but the rounding of float32."""
COLUMNS = (
    *("target", "metric", "model", "fit_on", "train", "heldout"),
    *("null_lo", "null_hi", "chance", "n"),
)


def readouts(
    Ztr,
    Zte,
    demo_tr,
    demo_te,
    *,
    columns=None,
    fit_on="train",
    groups_tr=None,
    groups_te=None,
    squares=True,
    models=("linear", "rbf"),
    random_state=0,
    null=True,
    targets=None,
) -> pd.DataFrame:
    """Read every column out of features, linearly and, for levels, with an RBF machine.

    Parameters
    ----------
    Ztr, Zte : array, shape (n_train, n_features), (n_test, n_features)
        Features of the rows a transformer was fitted on, and of rows it has not seen.
    demo_tr, demo_te : pandas.DataFrame
        Demographics of the same rows.
    columns : sequence of Column or mapping, optional
        Columns to read; default all of `demo_te`.
    fit_on : {'train', 'fresh'}
        'train' fits the readout on `Ztr`. On these rows the transformer has made demographics
        and features uncorrelated BY CONSTRUCTION, so a linear readout learns nothing and reports
        perfect removal. 'fresh' fits and tests within `Zte` by cross-validation: this counts.
    groups_tr, groups_te : array, optional
        Subject of each row, so that runs of one subject stay together in every fold.
    squares : bool, default True
        Also read the square of each standardised continuous column.
    models : sequence of {'linear', 'rbf'}
    random_state : int, default 0
    null : bool, default True
        Whether labels are permuted for the band; NaN otherwise.
    targets : list, optional
        Of :func:`prepared`; then `columns` and `squares` do not count.

    Returns
    -------
    pandas.DataFrame
        One row per target and model: `metric` ('r2', 'balanced_accuracy'), score on the rows of
        the fit and on others, 95 % band of the score when the held-out labels are permuted,
        chance level, number of scored rows.

    Raises
    ------
    ValueError
        When `fit_on` is unknown.

    References
    ----------
    Hastie, T., Buja, A., Tibshirani, R. (1995). Penalized discriminant analysis. Annals of
    Statistics 23, 73-102 (the linear readout of levels; numbers are read by ridge).
    """
    if fit_on not in ("train", "fresh"):
        raise ValueError(f"fit_on: got {fit_on!r}, expected 'train' or 'fresh'")
    rng = seeds.generator(random_state, "shuffled labels") if null else None
    Ztr, Zte = isometric(Ztr, Zte)
    groups_tr = np.arange(len(Ztr)) if groups_tr is None else np.asarray(groups_tr)
    groups_te = np.arange(len(Zte)) if groups_te is None else np.asarray(groups_te)
    rows = []
    if targets is None:
        targets = prepared(columns, demo_tr, demo_te, squares)
    for target, kind, known_tr, known_te, y_tr, y_te in targets:
        for model in ("linear",) if kind == "continuous" else models:
            if fit_on == "train":
                known = groups_tr[known_tr]
                splits = [(Ztr[known_tr], y_tr, known, Zte[known_te], None)]
            else:
                known = groups_te[known_te]
                splits = list(_fresh_splits(Zte[known_te], y_te, known, random_state))
            row = _score(splits, y_te, model, kind, rng)
            if row is not None:
                rows.append({"target": target, "model": model, "fit_on": fit_on, **row})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def prepared(columns, demo_tr, demo_te, squares=True) -> list[tuple]:
    """What is read, for several calls of :func:`readouts` on the same people.

    Returns
    -------
    list of tuple
        Name, type, which rows of both tables have a value, and their values.
    """
    out = []
    for column in parse_columns(columns, demo_te):
        known_tr, known_te = (
            ~missing(table[column.name], column.type) for table in (demo_tr, demo_te)
        )
        for name, *values in _targets(column, demo_tr, demo_te, known_tr, known_te, squares):
            out.append((name, column.type, known_tr, known_te, *values))
    return out


def _targets(column, demo_tr, demo_te, known_tr, known_te, squares):
    tr, te = demo_tr[column.name][known_tr], demo_te[column.name][known_te]
    if column.type == "categorical":
        yield column.name, level_names(tr), level_names(te)
        return
    a, b = numbers(tr), numbers(te)
    centre, scale = a.mean(), a.std() or 1.0
    a, b = (a - centre) / scale, (b - centre) / scale
    yield column.name, a, b
    if squares and len(set(b.tolist())) > 2:
        yield f"{column.name}^2", a**2, b**2


def _fresh_splits(Z, y, groups, random_state):
    """Folds over subjects; every test row is scored once."""
    if len(np.unique(groups)) < FRESH:
        return
    stream = seeds.stream(random_state, "fresh folds")
    fold = stratified_group_folds(groups, np.zeros(len(groups)), FRESH, stream)
    for split in range(FRESH):
        test = fold == split
        yield Z[~test], y[~test], np.asarray(groups)[~test], Z[test], np.flatnonzero(test)


def _score(splits, y_all, model, kind, rng):
    """Scores over all splits, or None where a target has one value only."""
    if not splits or len(set(y_all.tolist())) < 2:
        return None
    predicted = np.empty(len(y_all), dtype=float if kind == "continuous" else object)
    train = []
    for Z, y, groups, Z_new, where in splits:
        if len(set(y.tolist())) < 2:
            return None
        fit = {"continuous": _ridge, "categorical": _classify}[kind]
        back, new = fit(Z, y, Z_new, model, groups)
        train.append(metric(y, back, kind))
        predicted[slice(None) if where is None else where] = new
    held = metric(y_all, predicted, kind)
    null = np.array([np.nan]) if rng is None else _null(y_all, predicted, kind, rng)
    levels = len(set(y_all.tolist()))
    return {
        "metric": "r2" if kind == "continuous" else "balanced_accuracy",
        "train": float(np.mean(train)),
        "heldout": held,
        "null_lo": float(np.quantile(null, 0.025)),
        "null_hi": float(np.quantile(null, 0.975)),
        "chance": 0.0 if kind == "continuous" else 1.0 / levels,
        "n": len(y_all),
    }


def metric(y, predicted, kind: str) -> float:
    """R2 of a continuous target, balanced accuracy over the levels that occur in `y`."""
    if kind == "continuous":
        return float(1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum())
    return float(np.mean([(predicted[y == level] == level).mean() for level in np.unique(y)]))


def _null(y, predicted, kind, rng) -> np.ndarray:
    """Scores of the same predictions against permuted labels."""
    shuffled = np.tile(np.arange(len(y)), (_SHUFFLES, 1))
    shuffled = rng.permuted(shuffled, axis=1)
    if kind == "continuous":
        wrong = (y @ y) + (predicted @ predicted) - 2 * (y[shuffled] @ predicted)
        return 1 - wrong / ((y - y.mean()) ** 2).sum()
    levels, code = np.unique(y.astype(str), return_inverse=True)
    place = np.searchsorted(levels, predicted.astype(str)).clip(max=len(levels) - 1)
    # a level of the training rows that no held-out row has is a miss everywhere
    place[levels[place] != predicted.astype(str)] = -1
    hit = code[shuffled] == place
    scores = [
        (hit & (code[shuffled] == level)).sum(axis=1) / (code == level).sum()
        for level in range(len(levels))
    ]
    return np.mean(scores, axis=0)


def isometric(A, B) -> tuple[np.ndarray, np.ndarray]:
    """Rows in as many columns as there are rows, with every distance and inner product kept.

    Linear models with an L2 penalty and RBF machines cannot tell the difference, so nothing is
    learned here; it saves handling every edge again for each readout.
    """
    A, B = np.asarray(A), np.asarray(B)
    n = len(A) + len(B)
    if A.shape[1] <= n:
        return A.astype(np.float64), B.astype(np.float64)
    centre = A.mean(axis=0, dtype=np.float64).astype(np.float32)
    gram = np.zeros((n, n))
    for start in range(0, A.shape[1], 4096):
        columns = slice(start, start + 4096)
        block = np.vstack([A[:, columns], B[:, columns]]) - centre[columns]
        gram += block.astype(np.float64) @ block.T
    values, vectors = np.linalg.eigh(gram)
    kept = values > 1e-10 * values[-1]
    rows = (vectors[:, kept] * np.sqrt(values[kept]))[:, ::-1]
    return rows[: len(A)], rows[len(A) :]


def compact(Z, Z_new) -> tuple[np.ndarray, np.ndarray]:
    """Features of equal use to any rotation-invariant model, with few columns.

    Latents are standardised. More columns than rows are rotated into the space of the fitted
    rows; one more column keeps the distance of new rows from that space, so that distances
    between new and fitted rows stay exact.

    Parameters
    ----------
    Z, Z_new : array, shape (n_fit, n_features), (n_new, n_features)

    Returns
    -------
    tuple of ndarray of float64
        With a mean variance of about 1 per column.
    """
    Z, Z_new = np.asarray(Z, dtype=np.float64), np.asarray(Z_new, dtype=np.float64)
    centre = Z.mean(axis=0)
    Z, Z_new = Z - centre, Z_new - centre
    if Z.shape[1] <= len(Z):
        spread = Z.std(axis=0)
        spread = np.where(spread > 1e-8 * max(spread.max(), 1e-300), spread, np.inf)
        return Z / spread, Z_new / spread
    values, left = np.linalg.eigh(Z @ Z.T)
    kept = values > 1e-10 * values[-1]
    left, scale = left[:, kept][:, ::-1], np.sqrt(values[kept][::-1])
    new = Z_new @ (Z.T @ (left / scale))
    outside = np.maximum((Z_new**2).sum(axis=1) - (new**2).sum(axis=1), 0)
    unit = np.sqrt((scale**2).sum() / (len(Z) * len(scale)))
    fitted = np.column_stack([left * scale, np.zeros(len(Z))]) / unit
    return fitted, np.column_stack([new, np.sqrt(outside)]) / unit


def _ridge(Z, y, Z_new, model=None, groups=None):
    """Ridge with a penalty chosen by inner folds; predictions for fitted and new rows."""
    Z, Z_new = compact(Z, Z_new)
    penalties = _penalties(Z)
    weight = np.full(len(Z), 1 / len(Z))
    fold = sorted_folds(y, INNER, groups)
    errors = np.zeros(len(penalties))
    for inner in range(INNER):
        inside, out = fold != inner, fold == inner
        guess = _ridge_path(Z[inside], y[inside, None], Z[out], penalties, weight[inside])
        errors += ((guess[:, :, 0] - y[out]) ** 2).sum(axis=1)
    best = penalties[[int(errors.argmin())]]
    both = _ridge_path(Z, y[:, None], np.vstack([Z, Z_new]), best, weight)[0, :, 0]
    return both[: len(Z)], both[len(Z) :]


def _penalties(Z) -> np.ndarray:
    return ALPHAS * max((Z**2).mean(), 1e-12) * Z.shape[1]


def _ridge_path(Z, Y, Z_new, penalties, weight) -> np.ndarray:
    """Ridge predictions for every penalty, shape (n_penalties, n_new, n_targets).

    Rows count by `weight`; with weights that sum to one a penalty does not depend on their number.
    """
    path = RidgePath(Z, Y, weight / weight.sum())
    return path.project(Z_new) @ path.weights(np.reshape(penalties, (-1, 1, 1))) + path.y_mean


def _classify(Z, y, Z_new, model, groups=None):
    """Level of each row: a regularised linear discriminant, or an RBF machine."""
    Z, Z_new = compact(Z, Z_new)
    return (_discriminant if model == "linear" else _machine)(Z, y, Z_new, groups)


def _discriminant(Z, y, Z_new, groups=None):
    """Penalised discriminant analysis with equal priors (Hastie, Buja and Tibshirani 1995).

    Ridge on the indicators of the levels, then the nearest level mean among the fitted values, in
    the metric of their scatter; taking the largest fitted value instead would hide a level that
    lies between two others. All penalties cost one decomposition.
    """
    levels, code = np.unique(y.astype(str), return_inverse=True)
    hot = np.eye(len(levels))[code]
    weight = 1 / hot.sum(axis=0)[code]
    penalties = _penalties(Z)
    fold = sorted_folds(y, INNER, groups)
    guess = np.empty((len(penalties), len(y)), dtype=int)
    for inner in range(INNER):
        inside, out = fold != inner, fold == inner
        both = np.vstack([Z[inside], Z[out]])
        path = _ridge_path(Z[inside], hot[inside], both, penalties, weight[inside])
        guess[:, out] = _nearest_level(path, code[inside], weight[inside])
    hits = guess == code
    present = np.unique(code)
    scores = np.stack([hits[:, code == level].mean(axis=1) for level in present], axis=1)
    best = penalties[[int(np.argmax(scores.mean(axis=1)))]]
    path = _ridge_path(Z, hot, np.vstack([Z, Z, Z_new]), best, weight)
    nearest = _nearest_level(path, code, weight)[0]
    return levels[nearest[: len(Z)]], levels[nearest[len(Z) :]]


def _nearest_level(path, code, weight) -> np.ndarray:
    """Nearest level of the rows after the first `len(code)`, whose levels are known.

    Fitted values have shape (n_penalties, n_rows, n_levels); the result has one row per penalty.
    """
    known, new = path[:, : len(code)], path[:, len(code) :]
    levels, place = np.unique(code, return_inverse=True)
    member = np.eye(len(levels))[place]
    means = (member / member.sum(axis=0)).T @ known
    away = (known - means[:, place]) * np.sqrt(weight / weight.sum())[:, None]
    within = away.transpose(0, 2, 1) @ away
    # seen from their centre: a large penalty leaves differences far below the values themselves
    centre = means.mean(axis=1, keepdims=True)
    means, new = means - centre, new - centre
    size = np.trace(within, axis1=1, axis2=2) + (means**2).sum(axis=(1, 2))
    floor = 1e-6 * size / within.shape[1] + 1e-300
    metric_ = np.linalg.inv(within + floor[:, None, None] * np.eye(within.shape[1]))
    towards = metric_ @ means.transpose(0, 2, 1)
    # features that were made uncorrelated leave rounding only: no level is nearer than another
    towards[np.sqrt(size) < _ROUNDING] = 0
    offset = 0.5 * np.einsum("pjk,pkj->pj", means, towards)
    return levels[(new @ towards - offset[:, None]).argmax(axis=2)]


def _machine(Z, y, Z_new, groups=None):
    """Level of each row by an RBF machine; all its fits share one matrix of similarities."""
    from sklearn import config_context
    from sklearn.metrics.pairwise import rbf_kernel

    levels, code = np.unique(y.astype(str), return_inverse=True)
    gamma = 1.0 / max(float((Z**2).sum() / len(Z)), 1e-12)
    alike, alike_new = rbf_kernel(Z, gamma=gamma), rbf_kernel(Z_new, Z, gamma=gamma)
    fold = sorted_folds(y, INNER, groups)
    scores = []
    with config_context(assume_finite=True, skip_parameter_validation=True):
        for cost in SVM_C:
            guess = np.empty(len(code), dtype=int)
            for inner in range(INNER):
                inside, out = np.flatnonzero(fold != inner), np.flatnonzero(fold == inner)
                machine = _support(alike[np.ix_(inside, inside)], code[inside], cost)
                guess[out] = machine(alike[np.ix_(out, inside)])
            scores.append(metric(code, guess, "categorical"))
        final = _support(alike, code, SVM_C[int(np.argmax(scores))])
        return levels[final(alike)], levels[final(alike_new)]


def _support(alike, code, cost):
    """Prediction of a support vector machine whose levels count equally."""
    present, place, counts = np.unique(code, return_inverse=True, return_counts=True)
    if len(present) == 1:
        return lambda rows: np.full(len(rows), present[0])
    weight = dict(enumerate((len(code) / (len(present) * counts)).tolist()))
    machine = _machine_type()(C=cost, kernel="precomputed", class_weight=weight).fit(alike, place)
    return lambda rows: present[machine.predict(rows)]


@functools.cache
def _machine_type():
    """A support vector machine whose classes are known to be 0, 1, ...

    Scikit-learn finds out in every fit what kind of target it has; that costs more than a small
    fit. Where it no longer asks by this name, the machine is the plain one.
    """
    from sklearn.svm import SVC

    class KnownClasses(SVC):
        def _validate_targets(self, y):
            self.classes_ = np.arange(len(self.class_weight))
            self.class_weight_ = np.array([self.class_weight[k] for k in self.classes_])
            return np.ascontiguousarray(y, dtype=np.float64)

    return KnownClasses
