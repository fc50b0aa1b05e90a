"""Attacks on what may be released: is a person among those behind samples, or behind weights?"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from neuro.base import seeds
from neuro.demovae.coding.demographics import DemographicCoder
from neuro.demovae.coding.row_space import row_space

RANKS = (5, 10, 20, 40, 60, 100, 150)
RELEASED = (20, 100)
"""Numbers of samples that are attacked beside those released and ten times the latents."""
BOUND = 0.55
"""Area under the curve that the upper bound of every attack must stay below (ours)."""
COLUMNS = ("attack", "n_released", "rank", "auc", "upper", "n_members", "n_others")


def attack_samples(made, told, members, others, columns, ranks=RANKS) -> list[dict]:
    """Membership from samples alone: whose residual outside their components is small?

    The attacker regresses the demographics out of the samples, takes principal components of what
    is left, and measures how much of a person they leave unexplained. Best of several ranks.

    Parameters
    ----------
    made : array, shape (n_released, n_edges)
    told : pandas.DataFrame
        Demographics of the samples.
    members, others : tuple of (array, pandas.DataFrame)
        Connectomes and demographics of people behind the samples, and of others like them.
    columns : sequence of Column
    ranks : sequence of int

    Returns
    -------
    list of dict
        Area under the ROC curve and its 95 % one-sided upper bound, by rank.
    """
    coder = DemographicCoder(columns, "linear", unseen="mean", min_level_count=1).fit(told)
    D = coder.transform(told).astype(np.float64)
    middle = D.mean(axis=0)
    mean = made.mean(axis=0, dtype=np.float64)
    # a ridge of one row's weight: few samples must not explain everything by their demographics
    C = D - middle
    slope = np.linalg.solve(C.T @ C + np.eye(C.shape[1]), C.T @ (made - mean))

    def residual(edges, table):
        return edges - mean - (coder.transform(table) - middle) @ slope

    left = residual(made, told)
    space, _ = row_space(left.astype(np.float32), min(max(ranks), len(made) - 1))
    with warnings.catch_warnings():
        # few samples have a narrower range of ages than people
        warnings.simplefilter("ignore", UserWarning)
        people = [residual(*group) for group in (members, others)]
    total = [(rows**2).sum(axis=1) for rows in people]
    scores = [((rows - space.mean) @ space.axes) ** 2 for rows in people]
    entries = []
    for rank in ranks:
        if rank > space.n_columns:
            break
        rest = [t - s[:, :rank].sum(axis=1) for t, s in zip(total, scores)]
        entries.append(_row("samples", len(made), rank, *rest))
    return entries


def attack_weights(model, members, others) -> dict:
    """Membership from the fitted model: whose reconstruction error is small?

    Parameters
    ----------
    model : DemoVAE
    members, others : tuple of (array, pandas.DataFrame)
    """
    from neuro.demovae.coding import schema

    errors = []
    for edges, table in (members, others):
        P = model.space_.project(np.asarray(edges, np.float32))
        told = model.coder_.transform(schema.match_rows(edges, table))
        left = P - model.codec_.decode(model.codec_.encode(P), told)
        errors.append((left.astype(np.float64) ** 2).sum(axis=1))
        errors[-1] += model.space_.outside_energy(edges, P)
    return _row("weights", 0, model.codec_.n_latents, *errors)


def _row(attack, n_released, rank, member, other) -> dict:
    auc, error = auc_with_error(other, member)
    return {
        "attack": attack,
        "n_released": n_released,
        "rank": rank,
        "auc": auc,
        "upper": min(1.0, auc + 1.645 * error),
        "n_members": len(member),
        "n_others": len(other),
    }


def auc_with_error(high, low) -> tuple[float, float]:
    """Chance that a value of `high` exceeds one of `low`, and its standard error.

    References
    ----------
    DeLong, E. R., DeLong, D. M., Clarke-Pearson, D. L. (1988). Biometrics 44, 837-845.
    """
    from scipy.stats import rankdata

    high, low = np.asarray(high, float), np.asarray(low, float)
    m, n = len(high), len(low)
    both = rankdata(np.r_[high, low])
    above = (both[:m] - rankdata(high)) / n
    below = 1 - (both[m:] - rankdata(low)) / m
    auc = float(above.mean())
    variance = above.var(ddof=1) / m + below.var(ddof=1) / n
    return auc, float(np.sqrt(variance))


def attack_curve(draw, n_released, latent_dim, model, members, others, columns, seed=0):
    """All attacks: on samples as a function of how many are released, and on the weights.

    Parameters
    ----------
    draw : callable
        `draw(n, seed)` gives (edges, demographics) of n samples.
    n_released : int
        The number that is to be released.
    latent_dim : int
        Samples are attacked at ten times this number, too: by then they tell most of what many
        samples tell.
    model : DemoVAE or None
        Behind the samples; its weights are attacked as well.
    members, others : tuple of (array, pandas.DataFrame)
    columns : sequence of Column
    seed : int

    Returns
    -------
    pandas.DataFrame
        One row per attack and rank.
    """
    sizes = sorted({*RELEASED, int(n_released), 10 * int(latent_dim)})
    made, told = draw(sizes[-1], seeds.number(seed, "attacked samples"))
    rows: list[dict] = []
    for size in sizes:
        some = made[:size], told.iloc[:size].reset_index(drop=True)
        rows += attack_samples(*some, members, others, columns)
    if model is not None:
        rows.append(attack_weights(model, members, others))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def strongest(table: pd.DataFrame) -> pd.DataFrame:
    """The best rank of each attack and number of samples."""
    best = table.sort_values("auc", ascending=False, kind="stable")
    return best.groupby(["attack", "n_released"], as_index=False, sort=True).first()[list(COLUMNS)]


def verdict(table: pd.DataFrame, n_released: int) -> tuple[bool, str]:
    """Whether samples may go out by the strongest attack on so many of them.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`attack_curve`.
    n_released : int

    Returns
    -------
    allowed : bool
    sentence : str
        What was attacked and what was not; nothing beyond it is promised.
    """
    tried = table[(table["attack"] == "samples") & (table["n_released"] <= n_released)]
    worst = tried.loc[tried["upper"].idxmax()]
    figure = f"AUC {worst['auc']:.2f}, upper bound {worst['upper']:.2f}"
    if worst["upper"] > BOUND:
        return False, (
            f"do not share {n_released} samples: an attack that needs nothing else tells the "
            f"people behind them from others ({figure}; bound {BOUND})"
        )
    return True, (
        f"the attack that was tried on {n_released} samples stays below {BOUND} ({figure}) on "
        "average over people; other attacks were not tried, single unusual people may be "
        "recognised, and more samples tell more"
    )


def rough_auc(n_people: int, latent_dim: int) -> float:
    """Rough law for planning: AUC = Phi(d / sqrt 2), d = 60 L n^-1.25 (ours, planted data).

    An average case on one family of data; the factor has to be found anew for another.
    """
    from scipy.stats import norm

    return float(norm.cdf(60 * latent_dim * n_people**-1.25 / np.sqrt(2)))
