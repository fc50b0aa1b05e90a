"""One small seeded result per stage, and how far another processor may be from it.

`python tests/kernels/fits.py FILE` writes all of them: what the kernels of this processor give.
"""

from __future__ import annotations

import sys

import numpy as np


def fmri():
    from neuro.fmri import Connectome, Denoiser
    from neuro.fmri.clean.components import principal_components

    rng = np.random.default_rng(0)
    series, confounds = rng.normal(size=(150, 20)), rng.normal(size=(150, 6))
    clean = Denoiser().fit_transform(series, tr=2.0, confounds=confounds)
    edges = Connectome("partial").fit_transform([clean])
    parts = principal_components(rng.normal(size=(60, 40)), 4, "c").to_numpy()
    return {"clean": clean, "edges": edges, "components": parts}


def adhd():
    from neuro.adhd import GraphDiagnosis

    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = rng.poisson(30, (60, 24)) + 4 * y[:, None] * (np.arange(24) < 6)
    regions = np.repeat([f"r{k}" for k in range(8)], 3)
    model = GraphDiagnosis(regions, n_components=(2, 4, 8), random_state=0).fit(X, y)
    return {"decision": model.decision_function(X)}


def demovae():
    from neuro.demovae import DemoVAE
    from neuro.simulate.connectomes import planted_connectomes

    made = planted_connectomes(80, 12, 60, 5, random_state=3)
    columns = [
        {"name": name, "type": kind, "role": "remove"}
        for name, kind in (("age", "continuous"), ("sex", "categorical"), ("site", "categorical"))
    ]
    model = DemoVAE(columns=columns, latent_dim=4, hidden=40, n_epochs=30, random_state=0)
    Z = model.fit(made.edges, demographics=made.participants).transform(made.edges)
    samples = model.sample(20, demographics=made.participants[:20], random_state=0)
    return {"latents": Z, "samples": samples}


def ntf():
    from neuro.ntf import NonNegativeCP
    from neuro.simulate.motifs import planted_tensor

    values = planted_tensor((40, 6, 60), 3, noise=0.1, random_state=0)[0]
    model = NonNegativeCP(3, n_starts=3, random_state=0).fit(values)
    return {"time": model.time_, "animals": model.animals_, "pairs": model.pairs_}


def hmmglm():
    from neuro.hmmglm import OneHotHMMGLM
    from neuro.simulate.switching import switching_glm

    counts = list(switching_glm(4, 400, 5, 2, random_state=3).counts)
    model = OneHotHMMGLM(2, "onehot", n_starts=3, random_state=0).fit(counts)
    return {"weights": model.weights_, "occupancy": model.occupancy_}


def mds():
    from neuro.mds import DiscreteSpace, MostDiscriminativeStimuli

    rng = np.random.default_rng(0)
    known = np.repeat(np.eye(3), 5, axis=0) @ rng.normal(size=(3, 40))
    space = DiscreteSpace((known + 0.2 * rng.normal(size=known.shape)).T)
    model = MostDiscriminativeStimuli(n_restarts=3, random_state=0).fit(space)
    return {"labels": model.labels_}


def braindive():
    from neuro.braindive import BrainGuidedSampler, Objective, TinyLDM, TinyRecipe
    from neuro.encoding import VoxelEncoder

    rng = np.random.default_rng(0)
    images = rng.random((40, 3, 32, 32)).astype(np.float32)
    betas = images[:, :, ::8, ::8].reshape(40, -1)[:, :6] + rng.normal(0, 0.1, (40, 6))
    names = [f"v{k}" for k in range(6)]
    encoder = VoxelEncoder("gabor", random_state=0).fit(images, betas, unit=names)
    recipe = TinyRecipe((8, 8, 16), 4, unet_channels=(16, 32), unet_steps=4)
    generator = TinyLDM.train(images, 0, recipe)
    target = Objective("c", "mean", names, np.full((1, 6), 1 / 6))
    sampler = BrainGuidedSampler(generator, encoder, target, steps=4, device="cpu")
    return {"coef": encoder.coef_, "images": sampler.sample([1, 2]).images}


FITS = {f.__name__: f for f in (fmri, adhd, demovae, ntf, hmmglm, mds, braindive)}

TOLERANCE = {
    # double precision throughout, single where it is stored
    "fmri": 1e-6,
    "adhd": 1e-6,
    # trained in single precision; samples pass through a square root of eigenvalues near 0
    "demovae": 1e-3,
    # fits end when a sweep gains less than 1e-5: they are known to about its root
    "ntf": 3e-3,
    # EM ends when an iteration gains less than 1e-5 of the likelihood, at the same one here
    "hmmglm": 1e-5,
    # labels: no unit may change its cluster
    "mds": 0,
    # images of a network trained in single precision, seen through a few guided steps
    "braindive": 2e-3,
}
"""Share of the largest value by which another processor may differ."""

if __name__ == "__main__":
    found = {f"{stage}.{name}": v for stage in FITS for name, v in FITS[stage]().items()}
    np.savez(sys.argv[1], **found)
