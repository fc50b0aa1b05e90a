"""The methods text says what the settings say: each number and each choice, in its own unit."""

import copy

import pytest

from neuro import config
from neuro.config import adhd, braindive, demovae, fmri, hmmglm, mds, ntf

MODULES = {
    module.__name__.rsplit(".", 1)[-1]: module
    for module in (adhd, braindive, demovae, fmri, hmmglm, mds, ntf)
}


@pytest.fixture(scope="module")
def settings():
    mapping = {"data": {"kind": "simulated"}}
    assert config.resolve(mapping) == []
    return mapping


def told(settings, stage, **changes):
    """The text of a stage with some keys changed; `__` stands between levels."""
    mapping = copy.deepcopy(settings)
    for key, value in changes.items():
        *outer, last = key.split("__")
        holder = mapping if outer and outer[0] in mapping else mapping[stage]
        for part in outer:
            holder = holder[part]
        holder[last] = value
    sentences, keys = MODULES[stage].describe(mapping)
    return " ".join(sentences), keys


IMAGES = {"data__kind": "fmriprep"}
RAW = {"data__kind": "bids"}
SAYS = [
    ("adhd", {"threshold": 0.31}, "correlations above 0.31;"),
    ("adhd", {"threshold": None, "density": 0.07}, "the 7 % largest correlations;"),
    ("adhd", {"threshold": None, "density": None}, "2 % (voxels) or 10 % (regions)"),
    ("adhd", {"mask__rule": "top", "mask__cut": 0.15}, "the 15 % of regions that classified"),
    ("adhd", {"mask__rule": "se"}, "above chance by one standard error"),
    ("adhd", {"mask__rule": "none"}, "with a mask, all regions"),
    ("adhd", {"outer_folds": 7, "repeats": 3}, "7-fold cross-validation repeated 3 times"),
    ("adhd", {"permutations": 77}, "from 77 permutations of the labels within sites"),
    ("adhd", {"bootstrap": 555}, "from 555 bootstrap resamples of subjects"),
    ("adhd", {"group__enabled": True, "group__target": "age", "group__permutations": 77,
              "group__covariates": ["sex"]},
     "tested for age by a linear model that takes out sex; 77 permutations of its residuals"),
    ("adhd", {"group__enabled": True, "group__component_p": 0.02, "group__tfce_extent": 0.7,
              "group__tfce_height": 2.5}, "Edges with p below 0.02 formed"),
    ("fmri", {"data__kind": "table", "clean_tables": True, "filter": "butterworth",
              "band": [0.02, 0.07]}, "the series were filtered to 0.02-0.07 Hz"),
    ("fmri", {"data__kind": "table", "clean_tables": False}, "no image processing was applied."),
    ("fmri", {"data__kind": "adhd200"}, "AAL-116 time courses of the ADHD-200 sample"),
    ("fmri", {"data__kind": "xcpd", "min_seconds": 111}, "runs with less than 111 s kept"),
    ("fmri", {**IMAGES, "smooth_mm": 5.5}, "smoothed with a 5.5 mm FWHM Gaussian"),
    ("fmri", {**IMAGES, "drop_volumes": 4}, "The first 4 volumes of each run were dropped."),
    ("fmri", {**IMAGES, "strategy": "athena"}, "(strategy athena) were regressed out before"),
    ("fmri", {**IMAGES, "strategy": "36P"}, "(strategy 36P) were regressed out jointly"),
    ("fmri", {**IMAGES, "filter": "fourier", "band": [0.011, 0.09]}, "0.011-0.09 Hz (fourier)"),
    ("fmri", {**IMAGES, "scrub": True, "fd_mm": 0.4, "std_dvars": 1.7, "min_seconds": 123},
     "displacement above 0.4 mm or standardised DVARS above 1.7 were censored [@power2014]; runs "
     "with less than 123 s kept"),
    ("fmri", {**RAW, "slice_timing": "auto", "slice_reference": "middle_slice"},
     "brought to the time of the middle slice"),
    ("fmri", {**RAW, "slice_timing": "auto", "slice_reference": "half_span"},
     "half of the acquisition span"),
    ("fmri", {**RAW, "realign__reference": "mean"}, "realigned rigidly to their mean volume"),
    ("fmri", {**RAW, "realign__reference": "first"}, "rigidly to their first volume"),
    ("fmri", {**RAW, "normalise__affine": "xfm/{subject}.txt"}, "with an affine that was given"),
    ("fmri", {**RAW, "normalise__affine": None}, "Images stayed in native space"),
    ("fmri", {**IMAGES, "atlas": "a.dlabel.nii", "smooth_mm": 7.5},
     "smoothed by diffusion of heat on its mesh, as a 7.5 mm"),
    ("fmri", {"connectome": "tangent"}, "Connectomes are of kind tangent."),
    ("demovae", {"mode": "network", "latent_dim": 13}, "into 13 latents by a deterministic"),
    ("demovae", {"mode": "linear", "latent_dim": 13}, "to 13 latents by the closed-form linear"),
    ("demovae", {"columns": {"age": "continuous remove", "sex": "categorical", "dx": "categorical "
                 "condition", "site": "categorical remove"}, "mode": "linear"},
     "orthogonal to age, sex and site on"),
    ("demovae", {"mode": "network", "space": "pc"}, "in the row space of the training connectomes"),
    ("demovae", {"mode": "network", "validation": 0.2}, "reconstruction of 20 % of the training"),
    ("demovae", {"folds": 7}, "on held-out subjects in 7 folds"),
    ("demovae", {"adhd__enabled": True}, "The diagnosis was repeated on these features"),
    ("hmmglm", {"input": ["fmri"], "events__kind": "counts", "events__threshold_z": 1.3},
     "upward crossings of z = 1.3, one bin per volume"),
    ("hmmglm", {"input": ["fmri"], "events__kind": "zscore"}, "entered as z-scored series"),
    ("hmmglm", {"input": ["simulated"], "simulated__n_neurons": 11, "simulated__n_sequences": 4,
                "simulated__n_bins": 222, "simulated__n_states": 3},
     "of 11 neurons in 4 sequences of 222 bins were simulated with 3 planted states"),
    ("hmmglm", {"input": ["spikes"], "bin_s": 0.025, "segment_s": 12, "min_rate_hz": 0.7},
     "in bins of 25 ms, segments of 12 s being the sequences; units below 0.7 Hz were left out"),
    ("hmmglm", {"input": ["spikes"], "segment_s": None}, "trials being the sequences"),
    ("hmmglm", {"model": ["plain", "gaussian"]}, "with free couplings; couplings normal around"),
    ("hmmglm", {"model": ["onehot"], "solver": "relaxed"}, "the Gumbel-softmax objective"),
    ("hmmglm", {"model": ["onehot"], "solver": "cavi"}, "a three-class spike-and-slab model"),
    ("hmmglm", {"model": ["onehot"], "solver": "paper"}, "learned online with Adam"),
    ("hmmglm", {"n_states": [2, 5], "n_starts": 9, "folds": 4},
     "With 2, 5 states and 9 starts each, models were compared by the marginal log-likelihood of "
     "held-out sequences in 4 folds"),
    ("hmmglm", {"rule": "one_se"}, "the smallest number of states within one standard error"),
    ("hmmglm", {"rule": "best"}, "the number of states with the best mean"),
    ("mds", {"preset": "paper"}, "split as long as the objective rose; "),
    ("mds", {"preset": "robust", "eta": 0.6}, "gained at least 0.6 of log(K'/K)"),
    ("mds", {"temperature": 0.3}, "temperature 0.3 SD"),
    ("mds", {"n_restarts": 17, "n_clusters_init": 6, "subsample": 0.85},
     "17 restarts from random partitions of 6 groups, each on 85 % of the units"),
    ("mds", {"stimulus_space": "discrete"}, "Stimuli were picked among the recorded conditions"),
    ("mds", {"stimulus_space": "image", "twin__min_test_corr": 0.23},
     "held-out correlation was below 0.23 were left out"),
    ("ntf", {"affinity__kind": "sliding_window", "affinity__window_s": 44}, "windows of 44 s"),
    ("ntf", {"affinity__kind": "phase"}, "the cosine of the difference of their phases"),
    ("ntf", {"affinity__kind": "product"}, "was the product of their absolute scaled derivatives"),
    ("ntf", {"affinity__kind": "root"}, "was the root of the product of their absolute"),
    ("ntf", {"affinity__kind": "published", "sources": ["fmri"]}, "was the product of their z-sco"),
    ("ntf", {"affinity__kind": "published", "sources": ["recordings", "fmri"]},
     "for BOLD the product"),
    ("ntf", {"affinity__kind": "auto", "sources": ["fmri"]}, "in windows of 60 s beyond"),
    ("ntf", {"affinity__kind": "auto", "sources": ["recordings"]},
     "every edge of a motif has a sign"),
    ("ntf", {"solver": "hals"}, "with exact masks for neurons"),
    ("ntf", {"solver": "lbfgs"}, "fitted by L-BFGS-B on all factors jointly"),
    ("ntf", {"rank": 8, "n_starts": 5}, "from 5 random starts; 8 components were fitted"),
    ("ntf", {"rank": None, "ranks": [3, 9], "rank_rule": "robust"},
     "chosen between 3 and 9 by cross-validation"),
    ("ntf", {"rank": None, "ranks": [3, 9], "rank_rule": "variance"}, "growth of the motifs'"),
    ("ntf", {"communities__backend": "networkx", "communities__n_seeds": 21},
     "Louvain's method, as consensus over 21 seeds"),
    ("ntf", {"communities__backend": "igraph", "communities__n_seeds": 21},
     "the Leiden method, as consensus over 21 seeds"),
    ("ntf", {"communities__backend": "sbm"}, "a weighted stochastic block model of our own"),
    ("ntf", {"n_null": 33, "surrogate": "shift", "communities__alpha": 0.04},
     "repeated on 33 surrogates in which every trace was shifted by a lag of its own; p values of "
     "the communities come from all surrogate motifs, at a false discovery rate of 0.04"),
    ("ntf", {"sources": ["fmri"], "n_moves": 77}, "77 stationary copies of each"),
    ("ntf", {"n_null": 33, "surrogate": "rate"},
     "kept what it shares with the median of the others"),
    ("braindive", {"encoder__backbone": "gabor", "encoder__readout": "ridge"},
     "predicted from gabor features by a linear readout (ridge)"),
    ("braindive", {"generator__type": "tiny", "steps": 17}, "own images in 17 steps"),
    ("braindive", {"generator__type": "sdxl"}, "Stable Diffusion XL from local weights"),
    ("braindive", {"strength": "ratio", "value": 0.37}, "had 0.37 times the size of the noise"),
    ("braindive", {"strength": "gamma", "value": 130}, "the gradient was scaled by 130"),
    ("braindive", {"unet_backprop": True}, "predicted response through the denoiser"),
    ("braindive", {"unet_backprop": False}, "predicted response without the denoiser"),
    ("braindive", {"independent__backbone": "resnet"}, "another backbone (resnet) fitted on the o"),
    ("braindive", {"n_seeds": 19}, "19 seeds per objective"),
    ("braindive", {"guide_decoder": "pooled"}, "after averaging over squares of 2 x 2"),
    ("braindive", {"guide_decoder": "light"}, "a small autoencoder; images were decoded"),
    ("braindive", {"sag_scale": 0.5}, "Self-attention guidance was used"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("stage", "changes", "phrase"), SAYS, ids=[f"{s}-{p[:30]}" for s, _, p in SAYS]
)
def test_a_choice_is_told(settings, stage, changes, phrase):
    assert phrase in told(settings, stage, **changes)[0]


SILENT = [
    ("fmri", {**IMAGES, "smooth_mm": 0}, "smoothed"),
    ("fmri", {**IMAGES, "drop_volumes": 0}, "dropped"),
    ("fmri", {**IMAGES, "strategy": "none"}, "regressed out"),
    ("fmri", {**IMAGES, "filter": "none"}, "filtered to"),
    ("fmri", {**IMAGES, "scrub": False}, "censored"),
    ("fmri", {**RAW, "slice_timing": "off"}, "slices were brought"),
    ("fmri", {**IMAGES}, "realigned"),
    ("fmri", {"data__kind": "table", "clean_tables": False}, "filtered"),
    ("fmri", {"data__kind": "table", "smooth_mm": 6}, "smoothed"),
    ("demovae", {"mode": "network", "space": "edges"}, "row space"),
    ("demovae", {"mode": "linear", "space": "pc"}, "row space"),
    ("demovae", {"mode": "network", "validation": 0}, "Training stopped"),
    ("demovae", {"mode": "linear", "validation": 0.1}, "Training stopped"),
    ("demovae", {"adhd__enabled": False}, "diagnosis was repeated"),
    ("demovae", {"columns": {"age": "continuous", "sex": "categorical report"}}, "and sex"),
    ("hmmglm", {"model": ["plain"]}, "one-hot"),
    ("ntf", {"n_null": 0}, "surrogates"),
    ("ntf", {"affinity__kind": "auto", "sources": ["recordings"]}, "for BOLD"),
    ("ntf", {"affinity__kind": "auto", "affinity__sign": "positive"}, "has a sign"),
    ("braindive", {"guide_decoder": "exact"}, "For the gradient"),
    ("braindive", {"sag_scale": 0}, "Self-attention"),
]


@pytest.mark.parametrize(
    ("stage", "changes", "phrase"), SILENT, ids=[f"{s}-{p[:30]}" for s, _, p in SILENT]
)
def test_what_was_not_done_is_not_told(settings, stage, changes, phrase):
    assert phrase not in told(settings, stage, **changes)[0]


CITES = [
    ("fmri", {"data__kind": "adhd200"}, {"adhd200", "bellec2017", "tzourio2002"}, set()),
    ("fmri", {**IMAGES, "strategy": "athena"}, {"bellec2017"}, {"lindquist2019"}),
    ("fmri", {**IMAGES, "strategy": "36P"}, {"lindquist2019"}, {"bellec2017"}),
    ("fmri", {**IMAGES, "scrub": True}, {"power2014", "mehta2024"}, set()),
    ("ntf", {"solver": "hals"}, {"cichocki2009"}, {"kossaifi2019"}),
    ("ntf", {"solver": "tensorly"}, {"kossaifi2019"}, {"cichocki2009"}),
    ("ntf", {"communities__backend": "igraph"}, {"traag2019"}, {"blondel2008", "peixoto2018"}),
    ("ntf", {"communities__backend": "sbm"}, {"peixoto2018"}, {"traag2019", "blondel2008"}),
    ("braindive", {"generator__type": "sd"}, {"rombach2022"}, set()),
    ("braindive", {"generator__type": "tiny", "sag_scale": 0}, set(), {"rombach2022", "hong2023"}),
    ("braindive", {"sag_scale": 1.0}, {"hong2023"}, set()),
]


@pytest.mark.parametrize(("stage", "changes", "cited", "other"), CITES)
def test_what_was_used_is_cited(settings, stage, changes, cited, other):
    keys = set(told(settings, stage, **changes)[1])
    assert cited <= keys and not other & keys
