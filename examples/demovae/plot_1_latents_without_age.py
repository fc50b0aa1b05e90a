"""
Latents that do not know age
============================

Connectomes are encoded into a few numbers that are uncorrelated with age, sex and site. New
people need no demographics for that.
"""

# %%
# Planted connectomes with known effects of age, sex and site. The first half is fitted, the
# second half is seen by nobody.

import matplotlib.pyplot as plt
import numpy as np

from neuro.demovae import DemoVAE, PCALatents
from neuro.simulate import planted_connectomes

planted = planted_connectomes(400, n_regions=40, n_factors=20, effect=3)
X, people = planted.edges, planted.participants
columns = [
    {"name": "age", "type": "continuous"},
    {"name": "sex", "type": "categorical"},
    {"name": "site", "type": "categorical"},
]
model = DemoVAE(mode="linear", latent_dim=20, columns=columns, random_state=0)
model.fit(X[:200], demographics=people[:200])
components = PCALatents(20).fit(X[:200])

# %%
# The largest correlation of any of 20 numbers with age, in the fitted and in the new people. Zero
# in the fitted ones holds by construction.

age = people["age"].to_numpy(float)


def correlations(Z, half):
    return np.abs(np.corrcoef(Z[half].T, age[half])[-1, :-1])


fitted, new = slice(0, 200), slice(200, 400)
fig, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
for name, Z in {"components": components.transform(X), "latents": model.transform(X)}.items():
    for half, words, mark in ((fitted, "fitted", "o"), (new, "new", "s")):
        r = correlations(Z, half)
        print(f"{name}, {words} people: largest |r| with age {r.max():.2f}")
        axes.plot(np.sort(r)[::-1], mark + "-", ms=4, label=f"{name}, {words} people")
axes.set(xlabel="number, sorted", ylabel="|r| with age")
axes.legend()

# %%
# **What not to conclude.** Zero correlation in the people of the fit is no result. In new people
# a rest remains, other machines than linear ones may find more, and at a new site there is no
# guarantee.
