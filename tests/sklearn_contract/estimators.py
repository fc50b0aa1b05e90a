"""Every estimator of the package: an instance, and rows that it takes.

`ARRAYS` take any table of numbers and go through all checks of scikit-learn. `NATIVE` need more or
other than that; each says what, and brings an example.
"""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from neuro.adhd.diagnosis.baselines import (
    CovariateBaseline,
    ImagingAndCovariates,
    LinearReference,
    MajorityBaseline,
)
from neuro.adhd.diagnosis.covariates import CovariateEncoder
from neuro.adhd.diagnosis.guard import Guard
from neuro.adhd.diagnosis.mask import RegionMask
from neuro.adhd.diagnosis.model import GraphDiagnosis
from neuro.adhd.diagnosis.pipeline import FoldPipeline
from neuro.adhd.diagnosis.scaling import FeatureScaler
from neuro.adhd.features.graph_features import GraphFeatures
from neuro.adhd.graph.voxel_graph import VoxelGraph
from neuro.demovae.evaluation.baselines import ConfoundResidualizer, PCALatents
from neuro.demovae.evaluation.fold_features import FoldFeatures
from neuro.demovae.model import DemoVAE
from neuro.demovae.sampling.full_rank import FullRankSampler
from neuro.demovae.sampling.private import PrivateSampler
from neuro.demovae.training.protected import ProtectedLatents
from neuro.encoding.encoder import VoxelEncoder
from neuro.fmri.clean.denoiser import Denoiser
from neuro.fmri.raw.realign import RigidRealign
from neuro.fmri.regions.connectome import Connectome
from neuro.fmri.regions.parcellate import Parcellator
from neuro.fmri.regions.tangent import TangentConnectome
from neuro.hmmglm.baselines.poisson import PoissonHMM
from neuro.hmmglm.days import OneHotDays
from neuro.hmmglm.model import OneHotHMMGLM
from neuro.mds.clusters.estimator import MostDiscriminativeStimuli
from neuro.mds.stimuli.discrete import DiscreteSpace
from neuro.mds.twin.energy import EnergyTwin
from neuro.mds.twin.foreign import CheckpointTwin
from neuro.mds.twin.image import Twin
from neuro.mds.twin.linear import EncoderTwin, TemporalTwin
from neuro.mds.twin.module import ModuleTwin
from neuro.ntf.factors.models import ConcatenatedNMF, NonNegativeCP
from neuro.stats.combat import ComBat, CovBat
from neuro.stats.tangent import TangentSpace, pack

ARRAYS = [
    VoxelGraph(density=0.2),
    GraphDiagnosis(mask_rule="none", n_components=2, inner_cv=2),
    RegionMask(cut=0.5, inner_cv=2),
    MajorityBaseline(),
    LinearReference(C=1.0),
    FoldPipeline(FeatureScaler(), LinearReference(C=1.0)),
    FeatureScaler(),
    PCALatents(1),
]


@dataclasses.dataclass(frozen=True)
class Native:
    """An estimator with an example of what it takes.

    Attributes
    ----------
    kind : type
    why : str
        Why the arrays of scikit-learn's checks are no input.
    make : callable
        The unfitted estimator.
    rows : tuple
        Positional arguments of `fit`.
    known : dict
        Keyword arguments of `fit`.
    use : callable
        What a fitted estimator gives, as an array.
    """

    kind: type
    why: str
    make: Callable
    rows: tuple
    use: Callable
    known: dict = dataclasses.field(default_factory=dict)


RNG = np.random.default_rng(0)
SERIES = [RNG.standard_normal((30 + n, 4)) for n in range(8)]
RUN = RNG.standard_normal((120, 4))
COVARIANCES = pack(np.stack([np.cov(item.T) for item in SERIES]))
Y = np.tile([0, 1], 20)
ROWS = RNG.standard_normal((40, 10)) + Y[:, None]
PEOPLE = pd.DataFrame(
    {"age": RNG.uniform(8, 20, 40), "sex": np.repeat(["F", "M"], 20), "iq": RNG.normal(100, 9, 40)}
)
ASKED = {"columns": ("age", "sex"), "C": 1.0}
SUBJECTS = np.array([f"s{n:02d}" for n in range(40)])
SCHEMA = [
    {"name": "age", "type": "continuous", "role": "remove"},
    {"name": "sex", "type": "categorical", "role": "remove"},
]
TENSOR = RNG.random((12, 3, 6))
SPIKES = [RNG.poisson(1.0, (200, 3)) for _ in range(3)]
IMAGES = RNG.random((40, 1, 8, 8)).astype(np.float32)
RESPONSES = RNG.random((40, 3)) + IMAGES[:, 0, :3, 0]
FLICKER = RNG.random((300, 1)).astype(np.float32)
CONDITIONS = np.repeat(np.eye(3), 4, axis=1) * 3 + RNG.random((3, 12))
GRAPHS = [{"degree": RNG.integers(0, 9, 5), "cycle3": RNG.integers(0, 9, 5)} for _ in range(4)]


def _mask():
    return nib.Nifti1Image(np.ones((4, 4, 4), np.uint8), np.eye(4))


def _atlas():
    labels = np.zeros((4, 4, 4), np.int16)
    labels[:2], labels[2:] = 1, 2
    return nib.Nifti1Image(labels, np.eye(4))


def _moving():
    """A blob that shifts by half a voxel."""
    grid = np.indices((14, 14, 12), dtype=float)
    places = [(6.5, 6.5, 5.5), (7.0, 6.5, 5.5), (6.5, 6.5, 5.5)]
    data = [
        100 * np.exp(-sum((axis - at) ** 2 for axis, at in zip(grid, place)) / 18)
        for place in places
    ]
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    return nib.Nifti1Image(np.stack(data, axis=-1).astype(np.float32), affine)


def _twin():
    return Twin(epochs=1, channels=2, kernels=(3,))


FOLDER = tempfile.TemporaryDirectory()


def _checkpoint():
    """A file of weights, and the twin that reads it."""
    import torch

    state = _twin().fit(IMAGES, RESPONSES).state_
    kept = {key: value.detach() for key, value in state.items() if key.startswith("core.")}
    for name in ("mu", "weights", "bias"):
        kept[f"readout.{name}"] = state[f"readout.{name}"].detach()
    path = Path(FOLDER.name) / "state.pt"
    torch.save(kept, path)
    return CheckpointTwin(path, (1, 8, 8))


def _module():
    """A module in a file, its stored predictions, and the twin that it makes."""
    path, check = Path(FOLDER.name) / "own.py", Path(FOLDER.name) / "check.npz"
    path.write_text("import torch\n\n\ndef load():\n    torch.manual_seed(0)\n")
    n = RESPONSES.shape[1]
    with path.open("a") as file:
        file.write("    flat = torch.nn.Flatten()\n")
        file.write(f"    return torch.nn.Sequential(flat, torch.nn.Linear(64, {n}))\n")
    from neuro.encoding.verified import load_module

    model = load_module(f"{path}:load", {})
    import torch

    images = np.asarray(IMAGES[:9], np.float32)
    with torch.no_grad():
        np.savez(check, images=images, predictions=model(torch.as_tensor(images)).numpy())
    return ModuleTwin(f"{path}:load", (1, 8, 8), n, check)


RUNS = "input is a list of runs that differ in length"
TABLE = "needs a table of demographics beside the rows"
IMAGE = "input are images or stimuli, not a table"
NATIVE = [
    Native(
        Denoiser,
        "needs the sampling interval, and cleans the volumes it was fitted on",
        Denoiser,
        (RUN,),
        lambda m: m.transform(RUN),
        {"tr": 2.0, "confounds": RNG.standard_normal((120, 2))},
    ),
    Native(
        Parcellator,
        "the number of columns is that of the mask's voxels",
        lambda: Parcellator(_atlas(), _mask()),
        (np.arange(640.0).reshape(10, 64),),
        lambda m: m.transform(np.arange(640.0).reshape(10, 64)),
    ),
    Native(Connectome, RUNS, Connectome, (SERIES,), lambda m: m.transform(SERIES)),
    Native(TangentConnectome, RUNS, TangentConnectome, (SERIES,), lambda m: m.transform(SERIES)),
    Native(
        TangentSpace,
        "rows are packed positive definite matrices",
        TangentSpace,
        (COVARIANCES,),
        lambda m: m.transform(COVARIANCES),
    ),
    Native(
        ProtectedLatents,
        TABLE,
        lambda: ProtectedLatents(3, site="sex", protect=SCHEMA[:1]),
        (ROWS,),
        lambda m: m.transform(ROWS, demographics=PEOPLE),
        {"demographics": PEOPLE},
    ),
    Native(
        FullRankSampler,
        TABLE,
        lambda: FullRankSampler(SCHEMA, 3, passes=1, random_state=0),
        (np.tanh(0.2 * ROWS),),
        lambda m: m.sample(demographics=PEOPLE, random_state=0),
        {"demographics": PEOPLE},
    ),
    Native(
        PrivateSampler,
        TABLE,
        lambda: PrivateSampler(columns=SCHEMA, n_components=2, random_state=0),
        (np.tanh(0.2 * ROWS),),
        lambda m: m.sample(demographics=PEOPLE, random_state=0),
        {"demographics": PEOPLE, "public": (np.tanh(0.2 * ROWS[::-1]), PEOPLE)},
    ),
    *(
        Native(
            kind,
            "needs the site of every row",
            kind,
            (ROWS,),
            lambda m: m.transform(ROWS, site=Y, covariates=PEOPLE),
            {"site": Y, "covariates": PEOPLE},
        )
        for kind in (ComBat, CovBat)
    ),
    Native(
        RigidRealign,
        "input is a 4D image",
        lambda: RigidRealign(step=2),
        (_moving(),),
        lambda m: m.transform(_moving()).get_fdata(),
    ),
    Native(
        GraphFeatures,
        "input is a list of graphs",
        lambda: GraphFeatures(("degree", "cycle3")),
        (GRAPHS,),
        lambda m: m.transform(GRAPHS),
    ),
    Native(
        CovariateEncoder,
        "input is a participants table",
        lambda: CovariateEncoder(("age", "sex")),
        (PEOPLE,),
        lambda m: m.transform(PEOPLE),
    ),
    Native(
        CovariateBaseline,
        TABLE,
        lambda: CovariateBaseline(**ASKED),
        (ROWS, Y),
        lambda m: m.predict(ROWS, covariates=PEOPLE),
        {"covariates": PEOPLE},
    ),
    Native(
        ImagingAndCovariates,
        TABLE,
        lambda: ImagingAndCovariates(LinearReference(), **ASKED),
        (ROWS, Y),
        lambda m: m.predict(ROWS, covariates=PEOPLE),
        {"covariates": PEOPLE},
    ),
    Native(
        Guard,
        "needs the subject of each row, and refuses those of its fit",
        lambda: Guard(LinearReference()),
        (ROWS, Y),
        lambda m: m.decision_function(ROWS, np.char.add("new", SUBJECTS)),
        {"groups": SUBJECTS},
    ),
    Native(
        FoldFeatures,
        TABLE,
        lambda: FoldFeatures(PCALatents(2)),
        (ROWS,),
        lambda m: m.transform(ROWS),
        {"demographics": PEOPLE},
    ),
    Native(
        DemoVAE,
        TABLE,
        lambda: DemoVAE(mode="linear", latent_dim=2, columns=SCHEMA, random_state=0),
        (ROWS,),
        lambda m: m.transform(ROWS),
        {"demographics": PEOPLE},
    ),
    Native(
        ConfoundResidualizer,
        TABLE,
        lambda: ConfoundResidualizer(columns=SCHEMA),
        (ROWS,),
        lambda m: m.transform(ROWS, demographics=PEOPLE),
        {"demographics": PEOPLE},
    ),
    *(
        Native(
            model,
            "input is a tensor of three axes",
            lambda model=model: model(2, n_starts=1, random_state=0),
            (TENSOR,),
            lambda m: m.reconstruct(),
        )
        for model in (NonNegativeCP, ConcatenatedNMF)
    ),
    Native(
        OneHotHMMGLM,
        "input is a list of sequences",
        lambda: OneHotHMMGLM(2, "gaussian", n_starts=1, max_iter=3, random_state=0),
        (SPIKES,),
        lambda m: np.concatenate(m.predict(SPIKES)),
    ),
    Native(
        OneHotDays,
        "input is a list of days of sequences",
        lambda: OneHotDays(2, n_starts=1, max_iter=3, n_rounds=1, random_state=0),
        ([SPIKES, SPIKES[::-1]],),
        lambda m: np.array([m.score([SPIKES, SPIKES[::-1]])]),
    ),
    Native(
        PoissonHMM,
        "input is a list of sequences",
        lambda: PoissonHMM(2, n_starts=1, max_iter=3),
        (SPIKES,),
        lambda m: np.concatenate(m.predict_proba(SPIKES)),
    ),
    Native(
        MostDiscriminativeStimuli,
        "input is a twin; new cells are typed by their responses to its stimuli",
        lambda: MostDiscriminativeStimuli(n_clusters_init=2, n_restarts=2, grouping="objective"),
        (DiscreteSpace(CONDITIONS),),
        lambda m: m.predict(CONDITIONS[: getattr(m, "n_clusters_", 2)]),
    ),
    Native(Twin, IMAGE, _twin, (IMAGES, RESPONSES), lambda m: m.predict(IMAGES)),
    Native(
        TemporalTwin,
        IMAGE,
        lambda: TemporalTwin(4),
        (FLICKER, FLICKER @ np.ones((1, 3)) + RNG.random((300, 3))),
        lambda m: m.predict(FLICKER),
    ),
    Native(EncoderTwin, IMAGE, EncoderTwin, (IMAGES, RESPONSES), lambda m: m.predict(IMAGES)),
    Native(EnergyTwin, IMAGE, EnergyTwin, (IMAGES, RESPONSES), lambda m: m.predict(IMAGES)),
    Native(
        CheckpointTwin,
        f"{IMAGE}; its constructor reads a file, so that a bad one fails at once",
        _checkpoint,
        (IMAGES, RESPONSES),
        lambda m: m.predict(IMAGES),
    ),
    Native(
        ModuleTwin,
        f"{IMAGE}; its constructor loads a module, so that a bad one fails at once",
        _module,
        (IMAGES, RESPONSES),
        lambda m: m.predict(IMAGES),
    ),
    Native(
        VoxelEncoder,
        IMAGE,
        lambda: VoxelEncoder("pixels", cv=3),
        (IMAGES, RESPONSES),
        lambda m: m.predict(IMAGES),
    ),
]

NAMED = {item.kind.__name__: item for item in NATIVE}
