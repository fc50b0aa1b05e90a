"""Idle keys of the section `hmmglm`: rows of the table in :mod:`.effects`."""

from __future__ import annotations

from neuro.config.checks.conditions import NO_SPIKES, When, lacks, none_of, off, one_of

ROWS: tuple[tuple[str, When, str], ...] = (
    (
        "hmmglm.kind hmmglm.time_unit hmmglm.mat_key hmmglm.unit_filter hmmglm.trial_window "
        "hmmglm.segment_s hmmglm.min_rate_hz",
        NO_SPIKES,
        "no recordings are read",
    ),
    (
        "hmmglm.bin_s",
        lacks("hmmglm.input", "spikes", "simulated"),
        "region series have one bin per volume",
    ),
    (
        "hmmglm.covariate_weights hmmglm.covariate_ridge",
        off("hmmglm.covariates"),
        "there are no covariates",
    ),
    ("hmmglm.events.", lacks("hmmglm.input", "fmri"), "no region series are read"),
    (
        "hmmglm.events.threshold_z",
        one_of("hmmglm.events.kind", "gaussian"),
        "only events of kind counts cross a threshold",
    ),
    ("hmmglm.simulated.", lacks("hmmglm.input", "simulated"), "nothing is planted"),
    ("hmmglm.tau", one_of("hmmglm.solver", "cavi"), "solver cavi relaxes nothing"),
    (
        "hmmglm.tau hmmglm.alpha",
        lacks("hmmglm.model", "onehot"),
        "only model onehot has classes of edges",
    ),
    ("hmmglm.alpha", none_of("hmmglm.solver", "cavi"), "only solver cavi counts edges so"),
    (
        "hmmglm.max_iter hmmglm.newton hmmglm.pi_kappa hmmglm.ridge hmmglm.stop",
        one_of("hmmglm.solver", "paper"),
        "solver paper has a schedule of its own",
    ),
    (
        "hmmglm.prior_sd",
        lacks("hmmglm.model", "gaussian", "onehot"),
        "model plain has no prior around the mean over states",
    ),
    ("hmmglm.decay", one_of("hmmglm.basis", "raised_cosine"), "only the exponential kernel decays"),
    (
        "hmmglm.rule",
        When("hmmglm.n_states", lambda config: len(set(config["hmmglm"]["n_states"])) == 1),
        "there is one number of states to choose",
    ),
)
