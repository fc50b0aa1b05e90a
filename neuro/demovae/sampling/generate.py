"""New connectomes: draw latents, decode them, add the residual, make them correlation matrices."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from neuro.base import seeds
from neuro.demovae.coding.kinds import KINDS
from neuro.demovae.training.linear import span

DRAWS = ("auto", "normal", "empirical")
BATCHES = ("independent", "balanced")
NOISES = (True, False, "sampling", "gaussian")
_STEPS = 3
EIGENVALUE_FLOOR = 1e-6
"""Smallest eigenvalue that a repaired matrix keeps after rounding to float32."""


def nearest_correlations(edges, n_regions: int, volumes=None, rng=None) -> np.ndarray:
    """Turn rows of edges into those of correlation matrices.

    Values are clipped to [-1, 1]; alternating projections (Higham 2002, three steps) approach the
    nearest matrix with unit diagonal and without negative eigenvalues, and a last projection with
    a rescaled diagonal makes it exact. One plain projection would shrink all correlations about
    half as much again. A trace of the identity keeps eigenvalues above rounding.

    Parameters
    ----------
    edges : array, shape (n_rows, n_edges)
    n_regions : int
    volumes : callable, optional
        Gets a repaired row and says from how many independent volumes a noisy matrix is to be
        estimated: the row is then replaced by the correlation matrix of that many normal draws,
        which is a correlation matrix again. Noise that is added and then repaired would be
        undone for the greater part.
    rng : numpy.random.RandomState, optional
        For the draws.

    Returns
    -------
    ndarray of float32, shape (n_rows, n_edges)

    References
    ----------
    Higham, N. J. (2002). Computing the nearest correlation matrix. IMA Journal of Numerical
    Analysis 22, 329-343.
    """
    upper = np.triu_indices(n_regions, 1)
    out = np.empty((len(edges), len(upper[0])), dtype=np.float32)
    # rounding to float32 moves an eigenvalue by at most the norm of the rounding errors
    shrink = max(EIGENVALUE_FLOOR, 6e-8 * np.sqrt(n_regions)) * 2
    # a stream per row: a volume more or less in one row changes no other
    seeds = [] if volumes is None else rng.randint(2**31 - 1, size=len(edges))
    for place, row in enumerate(edges):
        matrix, root = _repair(np.clip(row, -1, 1), n_regions, upper)
        if volumes is not None:
            own = np.random.RandomState(seeds[place])
            series = own.standard_normal((volumes(matrix[upper]), n_regions)) @ root
            series -= series.mean(axis=0)
            series /= np.sqrt((series**2).sum(axis=0))
            matrix = series.T @ series
        out[place] = (1 - shrink) * np.clip(matrix[upper], -1, 1)
    return out


def _repair(row, n_regions, upper):
    """Nearest correlation matrix of one row, and a root R of it (R' R = matrix)."""
    matrix = np.eye(n_regions)
    matrix[upper] = row
    matrix.T[upper] = row
    values, vectors = np.linalg.eigh(matrix)
    correction = np.zeros_like(matrix)
    for _ in range(_STEPS if values[0] < 0 else 0):
        moved = matrix - correction
        values, vectors = np.linalg.eigh(moved)
        positive = (vectors * np.maximum(values, 0)) @ vectors.T
        correction = positive - moved
        matrix = positive
        np.fill_diagonal(matrix, 1.0)
        values, vectors = np.linalg.eigh(matrix)
        if values[0] >= 0:
            break
    root = symmetric_root(values, vectors)
    root /= np.sqrt(np.maximum((root**2).sum(axis=0), 1e-12))
    return root.T @ root, root


def symmetric_root(values, vectors) -> np.ndarray:
    """The one symmetric root of a matrix without negative eigenvalues, from its decomposition.

    Other roots depend on the signs of the eigenvectors, which differ between processors: draws
    that are multiplied with them would not be the same there.
    """
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def minimum_eigenvalues(edges, n_regions: int) -> np.ndarray:
    """Smallest eigenvalue of each row as a matrix with unit diagonal.

    Parameters
    ----------
    edges : array, shape (n_rows, n_edges)
    n_regions : int

    Returns
    -------
    ndarray of float64, shape (n_rows,)
    """
    upper = np.triu_indices(n_regions, 1)
    out = np.empty(len(edges))
    for place, row in enumerate(edges):
        matrix = np.eye(n_regions)
        matrix[upper] = row
        matrix.T[upper] = row
        out[place] = np.linalg.eigvalsh(matrix)[0]
    return out


def sample(
    model,
    n,
    demographics,
    psd,
    residual_noise,
    random_state,
    kind,
    latent_draw,
    batch="independent",
):
    """Connectomes for given demographics.

    Parameters
    ----------
    model : DemoVAE
        Fitted.
    n : int, optional
        Number of connectomes; default one per row of `demographics`.
    demographics : pandas.DataFrame
        One row serves all; with another number of rows than `n`, rows are drawn with replacement.
    psd : bool, optional
        Make correlation matrices. Default: yes, but not in the presets of the paper.
    residual_noise : bool or {'sampling', 'gaussian'}, optional
        Add what held-out connectomes have beyond their reconstruction. Same default. 'gaussian':
        normal noise with the variances of the held-out residual along the coordinates and, per
        edge, outside them. 'sampling': each correlation matrix is estimated anew from as many
        normal volumes as give the held-out residual its size. True takes 'sampling' where
        matrices are repaired and 'gaussian' elsewhere.
    random_state : int, RandomState or None
    kind : {'pearson', 'fisher_z', 'partial', 'covariance'}, optional
        What the model was fitted on; default what it learned of its training rows (`kind_`).
        'fisher_z' passes through tanh for the repair and comes back as Fisher z; the others are
        neither repaired nor clipped.
    latent_draw : {'auto', 'normal', 'empirical'}
        'auto' draws from N(0, target I) when training converged, else from the mean and
        covariance of the training latents.
    batch : {'independent', 'balanced'}, default 'independent'
        Each connectome is a draw of its own, so that tests on samples mean what they say; or the
        latents of the batch have mean 0, covariance I and no correlation with the demographics
        exactly, which makes maps of few samples less noisy. Rows of a balanced batch depend on
        each other: never count them as people.

    Returns
    -------
    ndarray of float32, shape (n, n_edges)

    Raises
    ------
    ValueError
        When demographics are missing or do not fit, or an argument is unknown.

    Warns
    -----
    UserWarning
        When latents had not converged, or ages are outside the training range.
    """
    from sklearn.utils import check_random_state

    if not isinstance(demographics, pd.DataFrame) or not len(demographics):
        raise ValueError("demographics: missing; sample(n, demographics=table) needs them")
    kind = model.kind_ if kind is None else kind
    for name, value, choices in (
        ("kind", kind, KINDS),
        ("latent_draw", latent_draw, DRAWS),
        ("batch", batch, BATCHES),
    ):
        if value not in choices:
            raise ValueError(f"{name}: got {value!r}, expected {', '.join(choices)}")
    paper = model.preset != "robust"
    psd = not paper if psd is None else psd
    residual_noise = not paper if residual_noise is None else residual_noise
    if residual_noise not in NOISES:
        raise ValueError(f"residual_noise: got {residual_noise!r}, expected {NOISES}")
    psd = psd and kind in ("pearson", "fisher_z")
    if residual_noise is True:
        residual_noise = "sampling" if psd else "gaussian"
    rng = check_random_state(random_state)
    coded = model._told(demographics)
    n = len(coded) if n is None else int(n)
    if len(coded) == 1:
        coded = np.repeat(coded, n, axis=0)
    elif len(coded) != n:
        coded = coded[rng.randint(len(coded), size=n)]
    Y = model.codec_.decode(
        draw_latents(model, n, rng, latent_draw, coded, batch == "balanced"), coded
    )
    if residual_noise == "gaussian":
        Y = Y + rng.standard_normal(Y.shape).astype(np.float32) * model.noise_sd_
    edges = model.space_.back(Y)
    if residual_noise == "gaussian" and model.noise_edge_.any():
        for row in edges:
            row += rng.standard_normal(len(row)).astype(np.float32) * model.noise_edge_
    if not psd:
        if paper:
            return np.minimum(edges, 1.0)
        return np.clip(edges, -1, 1) if kind == "pearson" else edges
    volumes = _volumes(model, kind) if residual_noise == "sampling" else None
    edges = np.tanh(edges) if kind == "fisher_z" else edges
    edges = nearest_correlations(edges, model.n_regions_, volumes, rng)
    return np.arctanh(edges) if kind == "fisher_z" else edges


def draw_rows(rows, n: int, seed: int, keep: bool = False):
    """Demographics of synthetic connectomes.

    Parameters
    ----------
    rows : pandas.DataFrame
    n : int
    seed : int
    keep : bool, default False
        Use the rows as they are, one connectome each; otherwise `n` rows are drawn with
        replacement, so that combinations are as frequent as among the participants.

    Returns
    -------
    pandas.DataFrame
    """
    if keep:
        return rows.reset_index(drop=True)
    drawn = seeds.generator(seed, "synthetic people").integers(len(rows), size=n)
    return rows.iloc[drawn].reset_index(drop=True)


def _volumes(model, kind):
    """How many independent volumes give a row sampling noise of the size of the residual."""
    total = (model.noise_sd_.astype(np.float64) ** 2).sum()
    total += (model.noise_edge_.astype(np.float64) ** 2).sum()
    variance = max(total / model.n_features_in_, 1e-8)

    def count(row):
        # a correlation r from T volumes has variance (1 - r^2)^2 / T, its Fisher z 1 / (T - 3)
        spread = (
            1.0 if kind == "fisher_z" else float(((1 - row.astype(np.float64) ** 2) ** 2).mean())
        )
        return int(np.clip(round(spread / variance) + 1, 8, 100_000))

    return count


def draw_latents(
    model, n: int, rng, latent_draw: str = "auto", told=None, balanced: bool = False
) -> np.ndarray:
    """Latents from the target distribution, or from the moments of the training latents.

    Draws are independent of each other unless they are to be balanced: then, where there are at
    least twice as many rows as latents and coded demographics, they have mean 0 and covariance I
    and are uncorrelated with the demographics exactly, as the training latents are; group maps of
    samples are free of chance differences between latents, and their spread is not that of as
    many people. With columns that the decoder is told but that were not removed, latents follow
    the demographics as the training latents do.

    Parameters
    ----------
    model : DemoVAE
    n : int
    rng : numpy.random.RandomState
    latent_draw : {'auto', 'normal', 'empirical'}
    told : array, shape (n, n_coded), optional
        Coded demographics of the rows.
    balanced : bool, default False

    Returns
    -------
    ndarray of float32, shape (n, n_latents)
    """
    size = model.codec_.n_latents
    white = rng.standard_normal((n, size))
    design = np.ones((n, 1))
    if told is not None:
        design = np.column_stack([design, np.asarray(told, dtype=np.float64)])
    if balanced and n < 2 * (size + design.shape[1]):
        least = 2 * (size + design.shape[1])
        warnings.warn(
            f"sample: a balanced batch needs at least {least} rows, got {n}; draws are independent",
            stacklevel=4,
        )
    elif balanced:
        basis = span(design)
        white -= basis @ (basis.T @ white)
        values, vectors = np.linalg.eigh(white.T @ white / n)
        white = white @ (vectors / np.sqrt(values)) @ vectors.T
    if latent_draw == "auto" and not model.converged_:
        warnings.warn(
            f"sample: latents had not converged (moment error {model.moment_error_:.3g}); they "
            "are drawn from the mean and covariance of the training latents",
            stacklevel=4,
        )
        latent_draw = "empirical"
    known = latent_draw == "empirical"
    follow = told is not None and model.latent_slope_.any()
    if not known and not follow:
        return (white * np.sqrt(model.settings_["target"])).astype(np.float32)
    covariance = model.latent_cov_ if known else model.settings_["target"] * np.eye(size)
    shift = model.latent_mean_ if known else 0
    if follow:
        slope = model.latent_slope_.astype(np.float64)
        covariance = covariance - slope.T @ model.told_cov_ @ slope
        shift = shift + (np.asarray(told, dtype=np.float64) - model.told_mean_) @ slope
    values, vectors = np.linalg.eigh(covariance)
    return (white @ symmetric_root(values, vectors) + shift).astype(np.float32)


def latent_moments(Z, D, follow: bool) -> dict[str, np.ndarray]:
    """What samples need to know of the training latents.

    Parameters
    ----------
    Z : array, shape (n_rows, n_latents)
    D : array, shape (n_rows, n_coded)
        What the decoder is told.
    follow : bool
        Whether latents of samples follow the demographics. Latents are decorrelated from columns
        that are removed, not from those that the decoder is only told: a map that passes through
        the latents would be lost by drawing them independently.

    Returns
    -------
    dict
        Attributes of the model: `latent_mean_`, `latent_cov_`, `latent_slope_` (n_coded,
        n_latents; zeros without `follow`), `told_mean_`, `told_cov_`.
    """
    Z, D = np.asarray(Z, dtype=np.float64), np.asarray(D, dtype=np.float64)
    told = D.mean(axis=0)
    slope = np.zeros((D.shape[1], Z.shape[1]))
    if follow:
        slope = np.linalg.pinv(D - told, rcond=1e-6) @ (Z - Z.mean(axis=0))
    moments = {
        "latent_mean_": Z.mean(axis=0),
        "latent_cov_": np.cov(Z, rowvar=False),
        "latent_slope_": slope,
        "told_mean_": told,
        "told_cov_": (D - told).T @ (D - told) / len(D),
    }
    moments["latent_cov_"] = np.atleast_2d(moments["latent_cov_"])
    return {name: value.astype(np.float32) for name, value in moments.items()}
