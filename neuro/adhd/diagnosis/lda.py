"""Principal components and linear discriminants for one or very many label vectors at once.

The components need no labels, so one set serves every permutation of the labels. In them the
total scatter is diagonal, and the pooled within-class scatter is that diagonal minus a rank-one
term (the difference of the class means). By the Sherman-Morrison formula the discriminant is
then proportional to the mean difference divided by the diagonal, with or without shrinkage: all
label vectors cost two matrix products.
"""

from __future__ import annotations

import numpy as np

from neuro.stats.ties import facing

RANK_TOLERANCE = 1e-10
"""Components below this share of the largest eigenvalue are numerically empty."""


def principal_components(Z, n_components: int):
    """Leading components of centred rows, by the smaller of the two Gram matrices.

    Parameters
    ----------
    Z : ndarray, shape (n_rows, n_features)
        Centred columns.
    n_components : int

    Returns
    -------
    loadings : ndarray, shape (n_features, k)
        Orthonormal columns; in each the entry of largest magnitude is positive.
    scatter : ndarray, shape (k,)
        Sums of squares of the scores, falling; empty components are left out.
    """
    n, p = Z.shape
    if p <= n:
        values, vectors = np.linalg.eigh(Z.T @ Z)
        values, loadings = values[::-1][:n_components], vectors[:, ::-1][:, :n_components]
        keep = _filled(values)
        values, loadings = values[keep], loadings[:, keep]
    else:
        values, vectors = np.linalg.eigh(Z @ Z.T)
        values, vectors = values[::-1][:n_components], vectors[:, ::-1][:, :n_components]
        keep = _filled(values)
        values = values[keep]
        loadings = (Z.T @ vectors[:, keep]) / np.sqrt(values)
    return loadings * facing(loadings), values


def _filled(values):
    return values > RANK_TOLERANCE * max(values.max(initial=0.0), 1e-300)


def project_stack(Z, Z_new, columns, n_components: int):
    """Component scores of several sets of columns, padded with zeros to equal width.

    Parameters
    ----------
    Z, Z_new : ndarray, shape (n_rows, n_features), (n_new, n_features)
        Training rows (centred columns) and the rows to be judged.
    columns : sequence of ndarray of int
        Columns of each set.
    n_components : int

    Returns
    -------
    scores : ndarray, shape (n_sets, n_rows, k)
    new_scores : ndarray, shape (n_sets, n_new, k)
    scatter : ndarray, shape (n_sets, k)
        0 where padded.
    """
    if all(len(cols) == 1 for cols in columns):
        order = np.concatenate(columns)
        scores = np.ascontiguousarray(Z[:, order].T)[:, :, None]
        new = np.ascontiguousarray(Z_new[:, order].T)[:, :, None]
        return scores, new, (scores**2).sum(axis=1)
    sizes = {len(cols) for cols in columns}
    width = min(n_components, max(sizes), len(Z) - 1)
    if len(sizes) == 1 and max(sizes) <= len(Z):
        order = np.concatenate(columns)
        block, part_new = (
            np.ascontiguousarray(rows[:, order].reshape(len(rows), len(columns), -1).swapaxes(0, 1))
            for rows in (Z, Z_new)
        )
        values, vectors = np.linalg.eigh(block.swapaxes(1, 2) @ block)
        values, vectors = values[:, ::-1][:, :width], vectors[:, :, ::-1][:, :, :width]
        values = np.where(values > RANK_TOLERANCE * values[:, :1], values, 0.0)
        vectors = vectors * (values > 0)[:, None, :]
        return block @ vectors, part_new @ vectors, values
    scores = np.zeros((len(columns), len(Z), width))
    new = np.zeros((len(columns), len(Z_new), width))
    scatter = np.zeros((len(columns), width))
    # sorted once, so that a set of columns is a slice and not a copy
    every = np.vstack([Z, Z_new])[:, np.concatenate(columns)]
    stops = np.cumsum([len(cols) for cols in columns])
    for row, (cols, stop) in enumerate(zip(columns, stops)):
        block = every[:, stop - len(cols) : stop]
        both, values = component_scores(block, len(Z), width)
        scores[row, :, : len(values)] = both[: len(Z)]
        new[row, :, : len(values)] = both[len(Z) :]
        scatter[row, : len(values)] = values
    return scores, new, scatter


def component_scores(every, n: int, n_components: int):
    """Component scores of all rows; the components are those of the first `n` rows.

    Parameters
    ----------
    every : ndarray, shape (n_rows, n_features)
        Training rows (centred columns), then the rows to be judged.
    n, n_components : int

    Returns
    -------
    scores : ndarray, shape (n_rows, k)
    scatter : ndarray, shape (k,)
    """
    if every.shape[1] <= n:
        loadings, values = principal_components(every[:n], n_components)
        return every @ loadings, values
    return scores_from_gram(every @ every[:n].T, n, n_components)


def scores_from_gram(gram, n: int, n_components: int):
    """The same from inner products of all rows with the training rows, (n_rows, n)."""
    values, vectors = np.linalg.eigh(gram[:n])
    values, vectors = values[::-1][:n_components], vectors[:, ::-1][:, :n_components]
    keep = _filled(values)
    values, vectors = values[keep], vectors[:, keep]
    return gram @ (vectors / np.sqrt(values)), values


def discriminant(scores, scatter, labels, shrinkage="auto", *, scaled: bool = True):
    """Two-class linear discriminants with equal priors for many label vectors.

    Parameters
    ----------
    scores : ndarray, shape (..., n_rows, k)
        Component scores of the training rows: columns sum to 0 and are orthogonal.
    scatter : ndarray, shape (..., k)
        Sums of squares of the columns; 0 marks an empty component.
    labels : ndarray, shape (..., n_rows, n_labels)
        1 (case) or 0, as floating point numbers.
    shrinkage : {'auto', None}, default 'auto'
        'auto': Ledoit-Wolf estimate of the pooled within-class covariance [1]_.
    scaled : bool, default True
        Whether the decision is the log odds; False leaves out a positive factor, which is
        enough to classify.

    Returns
    -------
    weights : ndarray, shape (..., k, n_labels)
    threshold : ndarray, shape (..., n_labels)
        The decision is `new_scores @ weights - threshold`; 0 for label vectors of one class.

    References
    ----------
    .. [1] Ledoit, O., Wolf, M. (2004). A well-conditioned estimator for large-dimensional
       covariance matrices. Journal of Multivariate Analysis 88, 365-411.
    """
    n = scores.shape[-2]
    n1 = labels.sum(axis=-2)
    n0 = n - n1
    c = n1 * n0 / n
    both = c > 0
    # column sums are 0, so the mean difference follows from the cases' sums alone
    sums = np.swapaxes(scores, -1, -2) @ labels
    diff = sums / np.where(both, c, 1.0)[..., None, :] * both[..., None, :]
    filled = (scatter > 0)[..., None]
    lam = scatter[..., None]
    if shrinkage is None or (scores.shape[-1] == 1 and not scaled):
        # one component: shrinkage changes the scale only
        diagonal = lam / n
        rank_one = c / n
    else:
        alpha, mu = _ledoit_wolf(scores, lam, labels, diff, c, n1, n0, n)
        diagonal = (1 - alpha)[..., None, :] * lam / n + (alpha * mu)[..., None, :]
        rank_one = (1 - alpha) * c / n
    weights = np.where(filled, diff, 0.0) / np.where(filled & (diagonal > 0), diagonal, 1.0)
    distance = (weights * diff).sum(axis=-2)
    if scaled:
        factor = 1.0 / np.maximum(1.0 - rank_one * distance, 1e-12)
        weights = weights * factor[..., None, :]
        distance = distance * factor
    return weights, distance * (n0 - n1) / (2 * n)


def _ledoit_wolf(scores, lam, labels, diff, c, n1, n0, n):
    """Shrinkage intensity and mean variance of the pooled within-class covariance."""
    k = np.maximum((lam > 0).sum(axis=(-2, -1)), 1)[..., None]
    square = (diff**2).sum(axis=-2)
    weighted = (lam * diff**2).sum(axis=-2)
    trace = (lam.sum(axis=-2) - c * square) / n
    mu = trace / k
    norm = ((lam**2).sum(axis=-2) - 2 * c * weighted + (c * square) ** 2) / n**2
    # sum over rows of |z - class mean|^4, expanded so that only one pass over rows is needed
    a1, a0 = n0 / n, -n1 / n
    length = (scores**2).sum(axis=-1)
    q1 = (length[..., None, :] @ labels)[..., 0, :]
    q0 = length.sum(axis=-1)[..., None] - q1
    moment = np.swapaxes(scores * length[..., None], -1, -2)
    t1 = ((moment @ labels) * diff).sum(axis=-2)
    t0 = (moment.sum(axis=-1)[..., None] * diff).sum(axis=-2) - t1
    along = scores @ diff
    along *= along
    along *= labels
    r1 = along.sum(axis=-2)
    r0 = weighted - r1
    fourth = (
        (length**2).sum(axis=-1)[..., None]
        - 4 * (a1 * t1 + a0 * t0)
        + 4 * (a1**2 * r1 + a0**2 * r0)
        + 2 * square * (a1**2 * q1 + a0**2 * q0)
        - 3 * square**2 * (n1 * a1**4 + n0 * a0**4)
    )
    beta = (fourth / n - norm) / (k * n)
    delta = (norm - 2 * mu * trace + k * mu**2) / k
    beta = np.clip(np.minimum(beta, delta), 0.0, None)
    alpha = np.where(delta > 0, beta / np.where(delta > 0, delta, 1.0), 0.0)
    return alpha, mu
