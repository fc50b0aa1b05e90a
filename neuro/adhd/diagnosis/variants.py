"""All the analyses of one cohort: every input with and without mask, and every baseline."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from neuro.adhd.diagnosis.baselines import (
    PHENOTYPE,
    CovariateBaseline,
    ImagingAndCovariates,
    LinearReference,
    MajorityBaseline,
)
from neuro.adhd.diagnosis.evaluate import nested_cv
from neuro.adhd.diagnosis.model import GraphDiagnosis
from neuro.adhd.diagnosis.permutation import PERMUTATION_COLUMNS, permute_within_site
from neuro.adhd.diagnosis.pipeline import FoldPipeline
from neuro.adhd.diagnosis.scores import add_null, empty_scores, score_predictions
from neuro.adhd.features.table import FeatureTable
from neuro.io.formats.tables import exclusion
from neuro.stats.tangent import TangentSpace

MASK = "mask"
"""What the column `mask` says where a region mask is in use; 'none' elsewhere."""


@dataclasses.dataclass(frozen=True)
class Variant:
    """One analysis.

    Attributes
    ----------
    input : str
        Name of the features or of the baseline.
    mask : {'mask', 'none'}
    estimator : estimator
    X : ndarray, shape (n_subjects, n_features), or None
        None where the estimator looks at covariates only.
    primary : bool
        Declared in advance as the result.
    schemes : tuple of str
        Schemes in which it means something; the site baseline knows nothing of an unseen site.
    """

    input: str
    mask: str
    estimator: object
    X: np.ndarray | None = None
    primary: bool = False
    schemes: tuple = ("pooled", "leave_site_out")


def imaging_variants(
    features: FeatureTable,
    *,
    inputs=("degree", "distdegree", "cycle3"),
    primary: str = "cycle3+mask",
    log1p: bool = True,
    mask_rule: str = "top",
    mask_cut=0.30,
    n_components=(10, 20, 40, 80),
    shrinkage="auto",
    inner_folds: int = 5,
    coverage: float = 0.9,
    deconfound=(),
    harmonise: str = "none",
    transductive: bool = False,
    protect=(),
    random_state: int = 0,
) -> list[Variant]:
    """Each input with and without the region mask; edges by the linear reference.

    Parameters
    ----------
    features : FeatureTable
        One row per subject, in the order of the participants.
    inputs : sequence of str
        Maps, several joined by `+`, 'fc', or 'tangent'.
    primary : str, default 'cycle3+mask'
        The variant declared in advance: an input, followed by `+mask` where the mask is meant.
    log1p : bool, default True
        Whether counts are log-transformed.
    mask_rule, mask_cut, n_components, shrinkage, coverage
        See :class:`neuro.adhd.diagnosis.model.GraphDiagnosis`.
    deconfound, harmonise, transductive, protect
        See :class:`neuro.adhd.diagnosis.model.GraphDiagnosis`.
    inner_folds : int, default 5
    random_state : int, default 0

    Returns
    -------
    list of Variant

    Raises
    ------
    ValueError
        When an input is not among the features, or the primary variant is not among the inputs.
    """
    shared = {
        "coverage": coverage,
        "deconfound": tuple(deconfound),
        "harmonise": harmonise,
        "transductive": transductive,
        "protect": tuple(protect),
        "inner_cv": inner_folds,
        "random_state": random_state,
    }
    chosen = []
    for name in inputs:
        table = features.select(name)
        if name == "fc":
            chosen.append(Variant(name, "none", LinearReference(**shared), table.X))
            continue
        if name == "tangent":
            # The mean of the training fold is learned first; it sees no labels.
            pipeline = FoldPipeline(TangentSpace(), LinearReference(**shared))
            chosen.append(Variant(name, "none", pipeline, table.X))
            continue
        several = len(np.unique(table.density)) > 1
        for rule in dict.fromkeys(("none", mask_rule)):
            model = GraphDiagnosis(
                regions=table.region,
                log1p=table.counts & log1p,
                mask_rule=rule,
                mask_cut=mask_cut,
                n_components=n_components,
                shrinkage=shrinkage,
                density=table.density if several else None,
                **shared,
            )
            chosen.append(Variant(name, "none" if rule == "none" else MASK, model, table.X))
    wanted = (
        (primary.removesuffix(f"+{MASK}"), MASK)
        if primary.endswith(f"+{MASK}")
        else (primary, "none")
    )
    names = [(variant.input, variant.mask) for variant in chosen]
    if wanted not in names:
        listed = ", ".join(name if mask == "none" else f"{name}+{mask}" for name, mask in names)
        raise ValueError(f"primary: '{primary}' is not among the variants: {listed}")
    return [
        dataclasses.replace(variant, primary=(variant.input, variant.mask) == wanted)
        for variant in chosen
    ]


def baselines(
    participants: pd.DataFrame, imaging: Variant | None = None, *, step: str = "adhd_diagnose"
) -> tuple[list[Variant], list[str], list[dict]]:
    """What every imaging number is printed beside.

    Parameters
    ----------
    participants : pandas.DataFrame
        Of the selected subjects.
    imaging : Variant, optional
        Combined with the phenotype, usually the primary one.
    step : str
        Name of the step in the exclusion rows.

    Returns
    -------
    variants : list of Variant
        'majority', 'site', 'phenotype' (age, sex, IQ, handedness), 'phenotype+site', 'motion'
        (mean framewise displacement), '<imaging>+phenotype'.
    unavailable : list of str
        Names of the baselines whose columns are empty; their scores are `n/a`.
    exclusions : list of dict
        A row for each of them.
    """
    phenotype = [
        name for name in PHENOTYPE if name in participants and participants[name].notna().any()
    ]
    motion = "mean_fd" in participants and participants["mean_fd"].notna().any()
    pooled = ("pooled",)
    chosen = [
        Variant("majority", "none", MajorityBaseline()),
        Variant("site", "none", CovariateBaseline(("site",)), schemes=pooled),
    ]
    missing = []
    if phenotype:
        chosen.append(Variant("phenotype", "none", CovariateBaseline(tuple(phenotype))))
        both = CovariateBaseline((*phenotype, "site"))
        chosen.append(Variant("phenotype+site", "none", both, schemes=pooled))
    else:
        missing += ["phenotype", "phenotype+site"]
    if motion:
        chosen.append(Variant("motion", "none", CovariateBaseline(("mean_fd",))))
    else:
        missing.append("motion")
    if imaging is not None:
        name = f"{imaging.input}+phenotype"
        if phenotype:
            model = ImagingAndCovariates(imaging.estimator, tuple(phenotype))
            chosen.append(Variant(name, "none", model, imaging.X))
        else:
            missing.append(name)
    reason = "baseline not computed: its columns are empty"
    return chosen, missing, [exclusion(name, step, reason) for name in missing]


def _schemes(folds: pd.DataFrame, variant: Variant) -> pd.DataFrame:
    return folds[folds["scheme"].isin(variant.schemes)]


def _arguments(variant: Variant, participants: pd.DataFrame) -> dict:
    X = np.zeros((len(participants), 1)) if variant.X is None else variant.X
    return {
        "estimator": variant.estimator,
        "X": X,
        "y": participants["dx"].to_numpy(),
        "groups": participants["participant_id"].to_numpy().astype(str),
        "site": participants["site"].to_numpy(),
        "covariates": participants,
        "input": variant.input,
        "mask": variant.mask,
    }


def judge(variants, participants: pd.DataFrame, folds: pd.DataFrame):
    """Outer cross-validation of every variant on the same folds.

    Parameters
    ----------
    variants : sequence of Variant
    participants : pandas.DataFrame
        As returned by :func:`neuro.stats.select_subjects`; the column `subtype` is copied.
    folds : pandas.DataFrame
        As made by :func:`neuro.stats.make_folds`.

    Returns
    -------
    predictions, mask : pandas.DataFrame
    """
    subtype = participants["subtype"].to_numpy() if "subtype" in participants else None
    predictions, masks = [], []
    for variant in variants:
        folds_of_schemes = _schemes(folds, variant)
        if folds_of_schemes.empty:
            continue
        result = nested_cv(
            **_arguments(variant, participants), folds=folds_of_schemes, subtype=subtype
        )
        predictions.append(result.predictions)
        if len(result.mask):
            masks.append(result.mask)
    columns = ["scheme", "repeat", "fold", "input", "region", "score", "kept"]
    mask = pd.concat(masks, ignore_index=True) if masks else pd.DataFrame(columns=columns)
    return pd.concat(predictions, ignore_index=True), mask


def permute(
    variants,
    participants: pd.DataFrame,
    folds: pd.DataFrame,
    *,
    n_permutations: int = 1000,
    chunk: int = 0,
    n_chunks: int = 1,
    random_state: int = 0,
) -> pd.DataFrame:
    """Permuted values of every variant, see :func:`neuro.adhd.permute_within_site`."""
    tables = [
        permute_within_site(
            **_arguments(variant, participants),
            folds=_schemes(folds, variant),
            n_permutations=n_permutations,
            chunk=chunk,
            n_chunks=n_chunks,
            random_state=random_state,
        )
        for variant in variants
    ]
    tables = [table for table in tables if len(table)]
    return (
        pd.concat(tables, ignore_index=True)
        if tables
        else pd.DataFrame(columns=list(PERMUTATION_COLUMNS))
    )


def join_chunks(tables) -> pd.DataFrame:
    """Permutations of all chunks as one table, in an order that does not depend on the chunks."""
    keys = ["scheme", "input", "mask", "metric", "permutation"]
    return pd.concat(tables, ignore_index=True).sort_values(keys, ignore_index=True)


def summarise(
    predictions: pd.DataFrame,
    permutations: pd.DataFrame,
    *,
    primary: str = "cycle3+mask",
    unavailable=(),
    n_bootstrap: int = 2000,
    random_state: int = 0,
) -> pd.DataFrame:
    """The table of scores: values, intervals, null and p of every variant and baseline.

    Parameters
    ----------
    predictions, permutations : pandas.DataFrame
        From :func:`judge` and :func:`permute` (an empty table of permutations is fine).
    primary : str, default 'cycle3+mask'
    unavailable : sequence of str
        Baselines that could not be computed, listed with missing values.
    n_bootstrap : int, default 2000
    random_state : int, default 0

    Returns
    -------
    pandas.DataFrame
        :data:`neuro.adhd.diagnosis.scores.SCORE_COLUMNS`.
    """
    mask = MASK if primary.endswith(f"+{MASK}") else "none"
    scores = score_predictions(
        predictions,
        n_bootstrap=n_bootstrap,
        primary=(primary.removesuffix(f"+{MASK}"), mask),
        random_state=random_state,
    )
    schemes = list(dict.fromkeys(predictions["scheme"]))
    empty = [empty_scores(name, schemes) for name in unavailable]
    scores = add_null(scores, permutations)
    return pd.concat([scores, *empty], ignore_index=True) if empty else scores
