"""
How many states, and are they needed?
=====================================

Held-out likelihood says how many states predict unseen sequences best, and a hidden Markov model
of rates says whether couplings add anything. We ask this of two sets of spike trains: one whose
couplings switch between three states, and one with constant couplings.
"""

# %%
# Twelve sequences each.

import matplotlib.pyplot as plt

from neuro.hmmglm import select_states
from neuro.simulate import switching_glm

sets = {
    "three states": switching_glm(12, n_bins=600, n_neurons=8, n_states=3, random_state=2),
    "one state": switching_glm(12, n_bins=600, n_neurons=8, n_states=1, random_state=2),
}
NUMBERS = (1, 2, 3, 4)

# %%
# Whole sequences are held out. The smallest number of states within one standard error of the
# best is taken. Beside every fit stands a hidden Markov model whose states have rates and no
# couplings.

fig, panels = plt.subplots(1, 2, figsize=(9, 3.5), sharey=True, layout="constrained")
for axes, (name, truth) in zip(panels, sets.items()):
    sweep = select_states(
        *(list(truth.counts), NUMBERS, ("gaussian",)),
        **{"n_starts": 2, "ridge": 3, "prior_sd": 0.3, "link": "sigmoid", "bias": "shared"},
    )
    for model, words, style in (
        ("gaussian", "with couplings", "o-"),
        ("poisson_hmm", "rates alone", "s--"),
    ):
        curve = sweep.curve[sweep.curve["model"] == model]
        bits = curve["bits_per_spike"]
        axes.errorbar(curve["k"], bits, curve["bits_se"], fmt=style, label=words)
        print(f"{name}: {words}: {bits.round(3).tolist()} bits per spike")
    axes.axvline(sweep.k, color="#d62728", lw=1, ls=":", label="chosen")
    axes.set(title=f"planted: {name}", xlabel="number of states", xticks=NUMBERS)
panels[0].set_ylabel("held-out bits per spike")
panels[0].legend()

# %%
# **What not to conclude.** On recordings the curve often keeps rising: more states predict better
# because nothing in a brain is a mixture of three. A number is then a choice, no finding. States
# that beat one state need not be states of couplings: the ladder of the stage (:doc:`/hmmglm`)
# adds rates and a longer history first.
