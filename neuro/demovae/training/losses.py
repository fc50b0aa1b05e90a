"""The five terms of the objective, as functions of tensors.

`RMSE(A)` is the square ROOT of the mean square: the published weights 100 : 1 : 1 : 10 belong to
it, not to the mean square.

References
----------
Orlichenko, A., et al. (2024). A demographic-conditioned variational autoencoder for fMRI
distribution sampling and removal of confounds. arXiv:2405.07977, and the code released with it.
"""

from __future__ import annotations

import torch

REDUCTIONS = ("package", "sum", "mean")
_TINY = 1e-12


def rmse(values: torch.Tensor) -> torch.Tensor:
    """Square root of the mean square; its gradient at zero is zero, not NaN."""
    return torch.linalg.vector_norm(values) / values.numel() ** 0.5


def reconstruction(x, decoded, n_edges=None, outside=0.0):
    """RMSE per edge between rows and their reconstruction.

    Parameters
    ----------
    x, decoded : tensor, shape (n, k)
        Edges, or coordinates in an orthonormal basis of them.
    n_edges : int, optional
        Number of edges; default k.
    outside : float or tensor
        Mean square per entry that the basis leaves out.
    """
    squares = ((x - decoded) ** 2).sum() / (x.shape[0] * (n_edges or x.shape[1]))
    return torch.sqrt(squares + outside + _TINY**2)


def covariance(z, target: float = 1.0):
    """RMSE over the L x L entries of Z'Z - n target I: neither divided by n nor centred."""
    n, size = z.shape
    return rmse(z.T @ z - n * target * torch.eye(size, dtype=z.dtype, device=z.device))


def centred_covariance(z, scale: float, target: float = 1.0):
    """`scale` times RMSE of the centred covariance minus target I.

    With `scale` the number of rows, Z = 0 gives the same value as :func:`covariance`; unlike it,
    the term does not grow with the batch.
    """
    centred = z - z.mean(dim=0)
    size = z.shape[1]
    unit = target * torch.eye(size, dtype=z.dtype, device=z.device)
    return scale * rmse(centred.T @ centred / z.shape[0] - unit)


def means(z):
    """RMSE over latents of the column means."""
    return rmse(z.mean(dim=0))


def decorrelation(z, d, normalised: bool = True):
    """Sum over the columns of `d` of the RMSE over latents of their association with `z`.

    With centred latents of standard deviation s a term is r / s, a correlation only for s = 1.

    Parameters
    ----------
    z : tensor, shape (n, n_latents)
    d : tensor, shape (n, n_columns)
        Coded demographics. A column without spread in these rows counts nothing; its published
        form would be 0/0.
    normalised : bool, default True
        False gives the bare inner product of the paper's notebooks.
    """
    if d.shape[1] == 0 or d.shape[0] < 2:
        return z.sum() * 0.0
    centred = d - d.mean(dim=0)
    product = centred.T @ z
    if normalised:
        spread = d.std(dim=0, unbiased=True)
        flat = spread <= 1e-6 * d.abs().amax(dim=0)
        weight = torch.where(flat, 0.0, 1.0 / torch.where(flat, 1.0, spread))
        product = product * weight[:, None] / (z * z).sum(dim=0).clamp_min(_TINY)
    return (torch.linalg.vector_norm(product, dim=1) / product.shape[1] ** 0.5).sum()


def guidance_continuous(readout, requested):
    """RMSE between what a readout finds in decoded rows and what was requested."""
    return rmse(readout - requested)


def guidance_levels(decision, requested, reduction: str = "mean"):
    """softplus(-2 s y) of each level, averaged over rows, then reduced over the k levels.

    Parameters
    ----------
    decision : tensor, shape (n, k)
        Decision value s of each level, used one against the rest.
    requested : tensor, shape (n, k)
        y: 1 for the requested level, -1 for the others.
    reduction : {'mean', 'sum', 'package'}
        The released package adds the sum of k terms k times.
    """
    terms = torch.nn.functional.softplus(-2.0 * decision * requested).mean(dim=0)
    if reduction == "mean":
        return terms.mean()
    if reduction == "sum":
        return terms.sum()
    if reduction == "package":
        return terms.sum() * len(terms)
    raise ValueError(f"guide_reduction: got '{reduction}', expected {', '.join(REDUCTIONS)}")
