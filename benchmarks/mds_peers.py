"""Peer of benchmarks/mds.py: a network of neuralpredictors, trained as its authors train theirs.

    PYTHONPATH=<folder with neuralpredictors> python benchmarks/mds_peers.py data.npz curve.npz

Stacked core of the sizes of our twin and a full Gaussian readout; Poisson loss, Adam, their
regularisers with the weights of their published baseline, early stopping by validation
correlation with their own loop, three reductions of the step. Runs in a process of its own, on
one thread; CPU seconds of training alone.
"""

from __future__ import annotations

import collections
import collections.abc
import sys
import time
import types
import warnings

import numpy as np

CHANNELS, KERNELS = 16, (7, 3, 5)
BATCH, RATE, SMALLEST = 128, 0.009, 1e-4
SMOOTH, SPARSE = 6.3831, 0.0076
PATIENCE, REDUCTIONS, EPOCHS = 5, 3, 100


def library():
    """What the benchmark uses, with names that newer Python lacks put in place."""
    collections.Iterable = collections.abc.Iterable
    sys.modules["torchvision"] = types.ModuleType("torchvision")
    warnings.simplefilter("ignore")
    from neuralpredictors.layers.cores.conv2d import Stacked2dCore
    from neuralpredictors.layers.readouts.gaussian import FullGaussian2d
    from neuralpredictors.training.early_stopping import early_stopping

    return Stacked2dCore, FullGaussian2d, early_stopping


def network(shape, n_units, mean):
    """Core, readout and their output, as one module."""
    import torch

    core_class, readout_class, _ = library()

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.core = core_class(
                input_channels=shape[0],
                hidden_channels=CHANNELS,
                input_kern=KERNELS[0],
                hidden_kern=list(KERNELS[1:]),
                layers=len(KERNELS),
                stack=-1,
                gamma_input=SMOOTH,
                input_regularizer="LaplaceL2norm",
            )
            inner = self.core(torch.zeros(1, *shape)).shape[1:]
            self.readout = readout_class(
                in_shape=tuple(inner),
                outdims=n_units,
                bias=True,
                init_mu_range=0.3,
                init_sigma=0.1,
                gauss_type="full",
                gamma_readout=SPARSE,
                mean_activity=torch.as_tensor(mean),
            )
            self.readout.initialize(torch.as_tensor(mean))
            self.core.initialize()

        def forward(self, x):
            return torch.nn.functional.elu(self.readout(self.core(x))) + 1

    return Network()


def main(source, target):
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    with np.load(source) as file:
        data = {name: file[name] for name in file.files}
    offset, scale = data["x"].mean(axis=0), data["x"].std()
    images = {
        name: torch.as_tensor((data[name] - offset) / scale, dtype=torch.float32)
        for name in ("x", "seen", "test")
    }
    y = torch.as_tensor(data["y"], dtype=torch.float32)
    model = network(tuple(images["x"].shape[1:]), y.shape[1], data["y"].mean(axis=0))
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer,
        mode="max",
        factor=0.3,
        patience=PATIENCE,
        threshold=1e-6,
        min_lr=SMALLEST,
        threshold_mode="abs",
    )

    def agreement(name, wanted):
        with torch.no_grad():
            guess = np.concatenate([model(part).numpy() for part in images[name].split(250)])
        guess, wanted = guess - guess.mean(0), wanted - wanted.mean(0)
        norm = np.sqrt((guess**2).sum(0) * (wanted**2).sum(0)) + 1e-12
        return float(np.mean((guess * wanted).sum(0) / norm))

    rows, spent = [], [0.0, time.process_time()]

    def score(model):
        model.eval()
        spent[0] += time.process_time() - spent[1]
        told = agreement("seen", data["y_seen"])
        rows.append((spent[0], told, agreement("test", data["rates"])))
        print(f"epoch {len(rows) - 1}: {rows[-1]}", file=sys.stderr, flush=True)
        spent[1] = time.process_time()
        return told

    _, _, early_stopping = library()
    weight = np.sqrt(len(y) / BATCH)
    for _ in early_stopping(
        model,
        score,
        interval=1,
        patience=PATIENCE,
        max_iter=EPOCHS,
        maximize=True,
        tolerance=1e-6,
        restore_best=True,
        scheduler=schedule,
        lr_decay_steps=REDUCTIONS,
    ):
        model.train()
        for part in torch.randperm(len(y)).split(BATCH):
            optimizer.zero_grad()
            rate = model(images["x"][part])
            loss = weight * (rate - y[part] * torch.log(rate + 1e-12)).sum()
            loss = loss + model.core.regularizer() + model.readout.regularizer()
            loss.backward()
            optimizer.step()
    model.eval()
    final = agreement("test", data["rates"])
    np.savez(target, curve=np.array(rows), final=final)


if __name__ == "__main__":
    main(*sys.argv[1:])
