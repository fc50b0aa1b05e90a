"""
What did deconfounding cost?
============================

Removing age, sex and site also takes something else along, and some ways of removing write
demographics *into* new people. Here four ways stand side by side under the same bottleneck,
judged in people that no fit has seen: what is left of what was to go, what is kept of what was to
stay, and how much of the connectome remains.
"""

# %%
# Planted connectomes: age, sex and site are to go; the diagnosis, of which no method is told, is
# to stay.

import matplotlib.pyplot as plt

from neuro.demovae import compare, parse_columns
from neuro.simulate import planted_connectomes

planted = planted_connectomes(400, n_regions=30, n_factors=16, effect=3)
columns = parse_columns(
    [
        {"name": "age", "type": "continuous"},
        {"name": "sex", "type": "categorical"},
        {"name": "site", "type": "categorical"},
        {"name": "dx", "type": "categorical", "role": "report"},
    ]
)
methods = ("none", "residual", "combat_residual", "linear")
table = compare(
    planted.edges, planted.participants, columns, methods=methods, latent_dim=30, models=("linear",)
)

# %%
# Fresh readouts only: fitted and tested among people of the other half.

# Thirty numbers per person everywhere.

fresh = table[
    (table["fit_on"] == "fresh")
    & table["measure"].isin(["left", "kept"])
    & (table["bottleneck"] == 30)
]
scores = fresh.pivot_table(index="method", columns="target", values="value")
explained = table[(table["measure"] == "explained") & (table["bottleneck"] == 30)]
scores["explained"] = explained.set_index("method")["value"]
scores = scores.loc[list(methods)]
print(scores.round(2).to_string())

# %%
# Grey lines: what can be read out where nothing is left. The diagnosis falls a little with what
# was removed, partly because age and sex tell it, too.

names = {
    "age": ("age, R²", 0),
    "sex": ("sex, accuracy", 1 / 2),
    "site": ("site, accuracy", 1 / 3),
    "dx": ("diagnosis, accuracy", 1 / 2),
    "explained": ("variance explained", 0),
}
fig, panels = plt.subplots(1, 5, figsize=(12, 3), layout="constrained", sharey=True)
for axes, (column, (title, chance)) in zip(panels, names.items()):
    axes.barh(scores.index, scores[column], color="#d62728" if column in "age sex site" else "0.5")
    axes.axvline(chance, color="0.3", ls="--", lw=1)
    axes.set_title(title, fontsize=10)
panels[0].invert_yaxis()

# %%
# **What not to conclude.** The latents (`linear`) remove hardly more than ComBat, residuals and
# components of the same size; what they have alone is that new people need no demographics. A
# removal that leaves nothing for a linear readout may leave something for another. And a
# diagnosis that falls with removal was not thereby "only age": what both share cannot be divided
# by any of these methods.
