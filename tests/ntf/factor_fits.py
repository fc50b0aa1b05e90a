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
