"""Rates, one state, states without couplings and with them on five Aplysia preparations.

The part `aplysia` of benchmarks/hmmglm_recovery.py: bouts 1 and 2 for training, bout 3 held out.
"""

from __future__ import annotations

import time

import numpy as np
from page import table

from neuro.hmmglm.baselines.poisson import PoissonHMM, homogeneous
from neuro.hmmglm.design import bins
from neuro.hmmglm.em.starts import fit_starts
from neuro.hmmglm.model import OneHotHMMGLM
from neuro.stats.agreement import ami

PREPARATIONS = ("May2214", "Jun0214", "Jun0514", "Jun0914", "Jun1114")
STATES = (1, 2, 3, 4)
MODELS = ("plain", "gaussian", "onehot")
BIN_S, MIN_RATE_HZ, STIMULUS_S = 0.25, 0.2, 30.0
SETTINGS = {"start": "hmm", "n_starts": 1, "alpha": (0.02, 1.96, 0.02), "random_state": 0}
"""As configs/aplysia.yaml; penalties are chosen inside the training data."""

TITLES = (
    *("preparation", "units", "busiest unit, its share of the spikes", "K"),
    *("HMM without couplings", "plain", "Gaussian prior", "one-hot"),
    *("AMI: HMM", "AMI: one-hot", "ridge: plain, one-hot", "not converged", "CPU s"),
)


def bits_of(hmm, train, test):
    """Held-out bits per spike of a Poisson HMM over constant rates."""
    flat, _, spikes = homogeneous(train, test)
    return (hmm.log_likelihood(test)[0] - flat) / spikes / np.log(2)


def read(folder, name):
    """The three bouts of a preparation, without units below `MIN_RATE_HZ`."""
    from neuro.io.spikes.reader import read_spikes

    parts = [
        bins.bin_recording(
            read_spikes(folder / "Data" / "Spikes" / f"{name}da0{n}.mat"), BIN_S, label=str(n)
        )
        for n in (1, 2, 3)
    ]
    binned = bins.join(parts)
    seconds = sum(len(counts) for counts in binned.sequences) * BIN_S
    rate = sum(counts.sum(axis=0) for counts in binned.sequences) / seconds
    return binned.keep(rate >= MIN_RATE_HZ)


def fit(k, models, train):
    """Models of one size, which share what they can: the ridge is chosen once."""
    base = OneHotHMMGLM(k, models[-1], **SETTINGS)
    problem, seeds = base.problem(train, dt=BIN_S), [[SETTINGS["random_state"], 0]]
    (start,) = fit_starts(problem, base.recipe(), models, seeds)
    made = {name: OneHotHMMGLM(k, name, **SETTINGS).like(base) for name in models}
    return {name: made[name].adopt(problem, [start[name]], seeds) for name in models}


def rows_of(name, binned, states, models):
    """One row of constant rates, then one per number of states, as `TITLES`."""
    train, test = binned.sequences[:2], binned.sequences[2:]
    spikes = sum(counts.sum(axis=0) for counts in binned.sequences)
    busiest = f"{binned.units['unit'].iloc[spikes.argmax()]}, "
    busiest += f"{100 * spikes.max() / spikes.sum():.0f} %"
    head = [name, train[0].shape[1], busiest]
    yield [*head, "rates", "0", "", "", "", "", "", "", "", ""]
    clock = binned.table["start_s"].iloc[0] + np.arange(len(train[0])) * BIN_S
    after = (clock >= STIMULUS_S).astype(int)
    for k in states:
        begin = time.process_time()
        hmm = PoissonHMM(k, n_starts=5).fit(train)
        # with one state there is nothing to deviate from: the Gaussian prior is the plain model
        fits = fit(k, [m for m in models if k > 1 or m != "gaussian"], train)
        bits = [bits_of(hmm, train, test)]
        bits += [fits[m].bits_per_spike(test) if m in fits else np.nan for m in MODELS]
        late = [m for m in fits if fits[m].starts_[0]["status"] != "converged"]
        amis = [ami(hmm.predict_proba(train[:1])[0].argmax(axis=1), after), np.nan]
        if "onehot" in fits:
            amis[1] = ami(fits["onehot"].predict(train)[0], after)
        if k == 1:
            amis = [np.nan, np.nan]
        # adding zero takes the sign off a zero
        numbers = [f"{round(x, 3) + 0.0:.3f}" if x == x else "" for x in (*bits, *amis)]
        ridges = [f"{fits[key].penalty_.ridge:g}" for key in ("plain", "onehot") if key in fits]
        spent = f"{time.process_time() - begin:.0f}"
        yield [*head, k, *numbers, ", ".join(ridges), ", ".join(late), spent]


def aplysia(folder, only=None, states=None, models=None):
    """The table of the preparations named, and how often one-hot edges beat the HMM."""
    rows = []
    for name in only or PREPARATIONS:
        for row in rows_of(name, read(folder, name), states or STATES, models or MODELS):
            rows.append(row)
            print(row, flush=True)
    lines = [*table(TITLES, rows), ""]
    for k in [k for k in states or STATES if k > 1]:
        numbers = np.array([[float(x or "nan") for x in row[4:10]] for row in rows if row[3] == k])
        above = int((numbers[:, 3] > numbers[:, 0]).sum())
        lines.append(
            f"K = {k}: one-hot above the HMM in {above} of {len(numbers)}; median AMI with the "
            f"stimulus: HMM {np.median(numbers[:, 4]):.3f}, one-hot {np.median(numbers[:, 5]):.3f}."
        )
    return lines
