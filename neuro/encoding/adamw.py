"""The readout of the released code: minibatch AdamW, no cross-validation."""

from __future__ import annotations

import numpy as np

from neuro.base import seeds
from neuro.encoding.ridge import Readout


def fit_adamw(
    features, Y, *, epochs=100, batch=64, rate=3e-4, decay=2e-2, random_state=0, device="cpu"
) -> Readout:
    """Fit a linear readout by AdamW on the mean squared error.

    Learning rate `3e-4 * 0.5**(epoch / 100)`, 100 epochs, batches of 64, weight decay 0.02,
    initial weights halved, the last state is kept (Luo et al. 2023, released code).

    Parameters
    ----------
    features : array of shape (n, n_features), or callable
        A callable gets row numbers and a numpy generator and returns the features of these
        rows, newly augmented; an array is used as it is in every epoch.
    Y : array, shape (n, n_voxels)
    epochs, batch : int
    rate, decay : float
    random_state : int
    device : str

    Returns
    -------
    Readout
        Without cross-validated scores: `alpha`, `r2_cv` and `r_cv` are NaN.
    """
    import torch

    rng = seeds.generator(random_state, "readout optimiser")
    Y = torch.as_tensor(np.asarray(Y, dtype=np.float32), device=device)
    fixed = None
    if not callable(features):
        fixed = torch.as_tensor(np.asarray(features, dtype=np.float32), device=device)
    n_features = (fixed if fixed is not None else features(np.arange(1), rng)).shape[1]
    layer = torch.nn.Linear(n_features, Y.shape[1]).to(device)
    with torch.no_grad():
        bound = 0.5 / np.sqrt(n_features)
        start = rng.uniform(-bound, bound, layer.weight.shape).astype(np.float32)
        layer.weight.copy_(torch.from_numpy(start))
        layer.bias.zero_()
    optimiser = torch.optim.AdamW(layer.parameters(), lr=rate, weight_decay=decay)
    for epoch in range(epochs):
        for group in optimiser.param_groups:
            group["lr"] = rate * 0.5 ** (epoch / 100)
        order = rng.permutation(len(Y))
        for first in range(0, len(order), batch):
            rows = order[first : first + batch]
            x = fixed[rows] if fixed is not None else features(rows, rng).to(device)
            loss = ((layer(x) - Y[rows]) ** 2).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
    nothing = np.full(Y.shape[1], np.nan)
    return Readout(
        layer.weight.detach().cpu().numpy().copy(),
        layer.bias.detach().cpu().numpy().copy(),
        nothing,
        nothing.copy(),
        nothing.copy(),
    )
