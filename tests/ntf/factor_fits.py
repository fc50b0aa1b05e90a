"""What the tests of the factor models share: a size, the slow objective, a model's factors."""

import numpy as np

SMALL = (60, 8, 120)


def squared_residual(values, model, mask=None, frames=None):
    weight = np.ones(values.shape)
    if mask is not None:
        weight = weight * mask
    if frames is not None:
        weight = weight * frames[:, :, None]
    return float((weight * (values - model.reconstruct().astype(float)) ** 2).sum())


def factors(model):
    return model.time_, model.animals_, model.pairs_


def least_residual(values, mask, rng):
    """Half of the least squared residual at rank 2 over what was observed, by a slow optimiser.

    `mask` is of pairs by animal, or of single entries.
    """
    from scipy.optimize import minimize

    ends = np.cumsum([2 * n for n in values.shape])

    def objective(x):
        t, w, p = (part.reshape(-1, 2) for part in np.split(x, ends[:-1]))
        residual = mask * (np.einsum("tr,wr,pr->twp", t, w, p) - values)
        gradient = [
            np.einsum("twp,wr,pr->tr", residual, w, p),
            np.einsum("twp,tr,pr->wr", residual, t, p),
            np.einsum("twp,tr,wr->pr", residual, t, w),
        ]
        return 0.5 * (residual**2).sum(), np.concatenate([g.ravel() for g in gradient])

    return min(
        minimize(
            objective,
            rng.random(ends[-1]),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, None)] * ends[-1],
            options={"maxiter": 5000, "ftol": 1e-14, "gtol": 1e-10},
        ).fun
        for _ in range(10)
    )
