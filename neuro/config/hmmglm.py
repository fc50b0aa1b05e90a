"""Section `hmmglm`: switching network states from spike trains."""

from __future__ import annotations

import dataclasses

from neuro.config.checks import hmmglm_words
from neuro.config.model import enabled, group, option, preset

INPUTS = ("spikes", "fmri", "simulated")


@dataclasses.dataclass(frozen=True)
class Events:
    """Point events of region series (input 'fmri'): an adaptation that is not in the paper."""

    kind: str = option(
        "counts",
        "string",
        "'counts' makes events of upward threshold crossings; 'gaussian' keeps the z-scored series "
        "under a Gaussian emission.",
        choices=("counts", "gaussian"),
    )
    threshold_z: float = option(
        1.0, "number", "A region has an event where it rises above this.", unit="SD", low=-5, high=5
    )
    n_null: int = option(
        5, "integer", "Null data sets with every region shifted in a circle on its own.", low=0
    )


@dataclasses.dataclass(frozen=True)
class Simulated:
    """Planted spike trains (input 'simulated')."""

    n_sequences: int = option(50, "integer", "Number of sequences.", low=3)
    n_bins: int = option(2000, "integer", "Bins per sequence.", low=50)
    n_neurons: int = option(20, "integer", "Number of neurons.", low=2)
    n_states: int = option(5, "integer", "Number of planted states.", low=1)


@dataclasses.dataclass(frozen=True)
class Hmmglm:
    """States of a network, the couplings in each state, and the signed graph they share."""

    enabled: bool = enabled()
    preset: str = preset()
    input: list = option(
        ["fmri"],
        "strings",
        "Spike recordings (see `sets`), point events of the region series of stage fmri (not "
        "spikes), or planted spike trains; one or several.",
        choices=INPUTS,
    )
    sets: dict = option(
        {},
        "mapping",
        "Recordings by name: a file, a folder, or a list of files of the same units. A name has "
        "letters and digits only.",
    )
    kind: str = option(
        "auto",
        "string",
        "Format of the recordings; 'auto' goes by the file name.",
        choices=("auto", "nwb", "mat", "table", "folder", "counts", "phy", "alf", "pynapple"),
    )
    time_unit: str = option(
        "s",
        "string",
        "Unit of the times in the files; Kilosort's are samples, whatever is said.",
        choices=("s", "ms", "samples"),
    )
    sampling_hz: float | None = option(
        None,
        "number",
        "Sampling rate of the recording, for times in samples.",
        unit="Hz",
        above=0,
        nullable=True,
    )
    mat_key: str | None = option(
        None,
        "string",
        "Variable of a MAT file, if not a known one; table of units of an NWB file with several.",
        nullable=True,
    )
    unit_filter: str | None = option(
        None,
        "string",
        "Condition on the table of units, e.g. \"quality == 'good'\".",
        nullable=True,
    )
    trial_window: list | None = option(
        None,
        "numbers",
        "Before and after the start of each trial; null takes the trials as they are.",
        unit="s",
        length=2,
        nullable=True,
    )
    switch_s: float | None = option(
        None,
        "number",
        "A time on the recordings' clock at which the stimulus or behaviour changes; the agreement "
        "of states with before and after is reported, never used.",
        unit="s",
        nullable=True,
    )
    min_rate_hz: float = option(
        0.02, "number", "Units that fire more rarely are left out.", unit="Hz", low=0
    )
    bin_s: float = option(0.05, "number", "Width of a bin.", unit="s", above=0)
    segment_s: float | None = option(
        30.0,
        "number",
        "Length of a sequence; null makes one sequence per trial, or per file without trials.",
        unit="s",
        above=0,
        nullable=True,
    )
    model: list = option(
        ["plain", "gaussian", "onehot"],
        "strings",
        "Models to compare; the last one decides on the number of states and is exported.",
        choices=("plain", "gaussian", "onehot"),
        source="Li et al. 2024",
    )
    n_states: list = option([1, 2, 3, 4, 5], "integers", "Numbers of states to compare.", low=1)
    rule: str = option(
        "one_se",
        "string",
        "'one_se' takes the smallest number of states within one standard error of the best "
        "held-out score, 'best' the best.",
        choices=("one_se", "best"),
    )
    solver: str = option(
        "cavi",
        "string",
        "Of the one-hot model: deterministic 3-class spike-and-slab, the relaxed objective of the "
        "paper on the same frame, or the paper-era learning.",
        choices=("cavi", "relaxed", "paper"),
        source="ours",
    )
    emission: str = option(
        "auto",
        "string",
        "'auto': poisson; bernoulli for point events, gaussian for series.",
        choices=("auto", "poisson", "bernoulli", "gaussian"),
    )
    link: str = option(
        "auto",
        "string",
        "'auto': softplus; sigmoid for planted data and point events.",
        choices=("auto", "softplus", "sigmoid", "exp", "linear"),
    )
    bias: str = option(
        "auto",
        "string",
        "Whether states share the bias; 'auto': per_state, shared for planted data.",
        choices=("auto", "per_state", "shared"),
        source="paper-era code: shared",
    )
    n_history: int | None = option(
        None,
        "integer",
        "Past bins that matter; null: 5, for region series 3.",
        unit="bins",
        low=1,
        nullable=True,
        source="paper-era code: 5",
    )
    decay: float = option(
        1.0, "number", "Of the history kernel, per bin.", above=0, source="paper-era code"
    )
    basis: str = option(
        "exponential",
        "string",
        "One exponential history kernel or several raised cosines.",
        choices=("exponential", "raised_cosine"),
    )
    n_basis: int = option(1, "integer", "Number of raised cosines.", low=1)
    diagonal: str = option(
        "auto",
        "string",
        "Self-history: as any coupling, absent, or shared by the states; 'auto': free, for region "
        "series shared.",
        choices=("auto", "free", "zero", "shared"),
    )
    prior_sd: float | None = option(
        None,
        "number",
        "SD of the couplings around their mean over states (Gaussian prior, and what the one-hot "
        "model begins from); null chooses it inside the training data.",
        above=0,
        nullable=True,
        source="paper-era code: 1/3",
    )
    ridge: float | None = option(
        None,
        "number",
        "Precision that keeps couplings small: of their mean over states, of all in the plain "
        "model, of one-hot strengths on top of 1; null chooses it inside the training data.",
        low=0,
        nullable=True,
        source="ours; paper-era code: 0",
    )
    covariates: dict = option(
        {},
        "mapping",
        "What was recorded beside the spikes, by name: `{file, column, measure, basis, n_basis, "
        "lags_s, band_hz, acts_on, sets}`, see the page of the stage.",
    )
    covariate_weights: str = option(
        "shared",
        "string",
        "Whether states share the weights of covariates, or have their own (per_state).",
        choices=("shared", "per_state"),
    )
    covariate_ridge: float | None = option(
        None,
        "number",
        "Precision of the weights of standardised covariates; null chooses it inside the training "
        "data.",
        low=0,
        nullable=True,
    )
    stop: str = option(
        "converged",
        "string",
        "'converged' ends a fit at its optimum; 'tuned' ends it after a number of iterations that "
        "is chosen inside the training data, in place of the ridge.",
        choices=("converged", "tuned"),
        source="ours",
    )
    alpha: list = option(
        [0.2, 1.6, 0.2],
        "numbers",
        "Pseudo-counts of the prior of an edge: inhibitory, none, excitatory.",
        above=0,
        length=3,
        source="paper-era code (its generator)",
    )
    tau: float = option(
        0.2, "number", "Temperature of the relaxed one-hot edges.", above=0, source="paper-era code"
    )
    pi_kappa: float = option(
        0.0, "number", "Pseudo-counts on the diagonal of the transition matrix.", low=0
    )
    start: str = option(
        "noise",
        "string",
        "Starting values: seeded noise, a one-state model plus noise, the states of a Poisson HMM "
        "(for many neurons and few bins), or identical states.",
        choices=("noise", "glm", "hmm", "zeros"),
    )
    n_starts: int = option(5, "integer", "Starts per fold and number of states.", low=1)
    n_finish: int | None = option(
        None,
        "integer",
        "Of the starts, so many are carried through: the best after three iterations on part of "
        "the data; null: all.",
        low=1,
        nullable=True,
    )
    max_iter: int = option(
        200,
        "integer",
        "Most iterations of the batch EM; `sweep.tsv` says which fits ended there.",
        low=1,
    )
    newton: str = option(
        "auto",
        "string",
        "Steps with the curvature of every unit (full), or for many units without it (truncated): "
        "products with it, one-hot edges with its diagonal; 'auto' goes by the cost. Same optimum.",
        choices=("auto", "full", "truncated"),
    )
    device: str = option(
        "cpu",
        "string",
        "Where E-steps and M-steps run; 'cuda' needs torch and a graphics card.",
        choices=("cpu", "cuda"),
    )
    folds: int = option(3, "integer", "Folds of whole sequences.", low=2)
    fold_order: str = option(
        "blocks",
        "string",
        "Folds are contiguous blocks of sequences, or every n-th sequence.",
        choices=("blocks", "interleaved"),
    )
    ladder: bool = option(
        True,
        "boolean",
        "Compares, on the same folds, constant rates, one state with couplings, a longer history, "
        "covariates, states that differ in rates and states that differ in couplings.",
    )
    days: bool = option(
        False,
        "boolean",
        "Recordings of a set are days of one network: the ladder also compares one model of all "
        "days, a model of each day, and a signed graph that all days share (units are matched by "
        "label); the graph is written. Needs the ladder and fold_order interleaved.",
    )
    grid: str = option(
        "batched",
        "string",
        "'batched': one job per number of states; 'jobs': one per fold and start as well. Same "
        "numbers.",
        choices=("batched", "jobs"),
    )
    events: Events = group(Events)
    simulated: Simulated = group(Simulated)


PRESETS = {
    "robust": {},
    "paper": {
        "solver": "paper",
        "link": "sigmoid",
        "bias": "shared",
        "n_history": 5,
        "n_starts": 1,
        "n_states": [5],
    },
}


def needs_runs(section) -> bool:
    """Whether the stage works on the runs of section `data`."""
    return "fmri" in section["input"]


def describe(config):
    """Sentences for the methods section with citation keys; see `sections.methods`."""
    hmmglm = config["hmmglm"]
    keys = ["li2024", "numba"]
    names = {
        "plain": "free couplings",
        "gaussian": "couplings normal around their mean over states",
        "onehot": "inhibitory, absent or excitatory couplings with probabilities shared by all "
        "states",
    }
    models = "; ".join(names[name] for name in hmmglm["model"])
    sizes = ", ".join(str(k) for k in hmmglm["n_states"])
    sentences = [_source(hmmglm, name) for name in hmmglm["input"]]
    sentences.append(
        f"Hidden Markov models with generalised linear emissions [@li2024] were fitted with "
        f"{models}."
    )
    sentences += hmmglm_words.covariates(hmmglm)
    if "onehot" in hmmglm["model"]:
        sentences.append(
            {
                "cavi": "The one-hot model was solved as a three-class spike-and-slab model by "
                "deterministic coordinate ascent inside batch expectation maximisation; this "
                "solver is ours and not part of the paper.",
                "relaxed": "The one-hot model was solved with the Gumbel-softmax objective of the "
                "paper inside batch expectation maximisation.",
                "paper": "All models were learned online with Adam, with the objective, values and "
                "schedule of the paper-era code and an exact, scaled forward-backward pass.",
            }[hmmglm["solver"]]
        )
    if hmmglm["solver"] != "paper":
        sentences.append(hmmglm_words.held_back(hmmglm))
    sentences.append(
        f"With {sizes} states and {hmmglm['n_starts']} starts each, models were compared by the "
        f"marginal log-likelihood of held-out sequences in {hmmglm['folds']} folds, beside "
        "constant rates and a Poisson hidden Markov model without couplings"
        + (
            "; the smallest number of states within one standard error (of paired differences "
            "over folds) of the best was used."
            if hmmglm["rule"] == "one_se"
            else "; the number of states with the best mean was used."
        )
    )
    return sentences, keys


def _source(hmmglm, source):
    if source == "fmri":
        what = (
            f"upward crossings of z = {hmmglm['events']['threshold_z']:g}"
            if hmmglm["events"]["kind"] == "counts"
            else "z-scored series"
        )
        return (
            f"Region series of each run entered as {what}, one bin per volume: point events of ROI "
            "series, not spikes; signs of couplings are descriptive."
        )
    if source == "simulated":
        planted = hmmglm["simulated"]
        return (
            f"Spike counts of {planted['n_neurons']} neurons in {planted['n_sequences']} sequences "
            f"of {planted['n_bins']} bins were simulated with {planted['n_states']} planted states."
        )
    cut = f"segments of {hmmglm['segment_s']:g} s" if hmmglm["segment_s"] is not None else "trials"
    return (
        f"Spikes were counted in bins of {1000 * hmmglm['bin_s']:g} ms, {cut} being the sequences; "
        f"units below {hmmglm['min_rate_hz']:g} Hz were left out."
    )
