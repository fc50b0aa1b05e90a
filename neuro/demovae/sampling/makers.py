"""Synthetic connectomes of a cohort, by the maker that the configuration names."""

from __future__ import annotations

import numpy as np

from neuro.demovae.coding.schema import numbers
from neuro.demovae.sampling.full_rank import FullRankSampler


def draws_full_rank(settings, kind: str) -> bool:
    """Whether samples are drawn by the sampler of full rank: it makes correlation matrices."""
    return settings["sampler"] == "full_rank" and bool(settings["psd"]) and kind == "pearson"


def full_rank_sampler(people, columns, settings, seed: int) -> FullRankSampler:
    """The sampler of full rank, fitted on a cohort.

    Parameters
    ----------
    people : Cohort
        Where each run's number of volumes is known (`n_kept`), scans are as long.
    columns : sequence of Column
    settings : dict
        Keys `latent_dim`, `unseen`, `missing`, `min_level_count` of the section `demovae`.
    seed : int
    """
    model = FullRankSampler(
        columns=tuple(columns),
        latent_dim=settings["latent_dim"],
        unseen=settings["unseen"],
        missing="impute" if settings["missing"] == "impute" else "error",
        min_level_count=settings["min_level_count"],
        random_state=seed,
    )
    volumes = None
    if "n_kept" in people.demographics:
        known = numbers(people.demographics["n_kept"])
        volumes = known.astype(int) if np.isfinite(known).all() else None
    return model.fit(
        people.edges,
        demographics=people.demographics,
        groups=people.participant_id,
        n_volumes=volumes,
    )


def maker(people, columns, model, settings, seed: int):
    """What draws one synthetic connectome per row of demographics; fitted once.

    Parameters
    ----------
    people : Cohort
        Those behind the samples.
    columns : sequence of Column
    model : DemoVAE
        Fitted on the same people; used where the sampler of full rank is not.
    settings : dict
        Keys `sampler`, `batch`, `psd`, `residual_noise` besides those of
        :func:`full_rank_sampler`.
    seed : int
        Of the fit.

    Returns
    -------
    callable
        `draw(rows, seed)` gives edges, float32, shape (n_rows, n_edges).
    """
    if draws_full_rank(settings, people.kind):
        sampler = full_rank_sampler(people, columns, settings, seed)
        return lambda rows, number: sampler.sample(demographics=rows, random_state=number)
    return lambda rows, number: model.sample(
        len(rows),
        rows,
        psd=settings["psd"],
        residual_noise=settings["residual_noise"],
        random_state=number,
        kind=people.kind,
        batch=settings["batch"],
    )
