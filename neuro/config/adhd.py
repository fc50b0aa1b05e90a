"""Section `adhd`: graph maps and the diagnosis."""

from __future__ import annotations

import dataclasses

from neuro.config import kinds
from neuro.config.model import enabled, group, option, preset

FEATURES = (
    *("degree", "distdegree", "cycle3", "weighteddegree", "clustering"),
    *kinds.RUN_MAPS,
    *("fc", "tangent"),
)


@dataclasses.dataclass(frozen=True)
class RegionMask:
    """Which regions the classifier sees; chosen on training subjects only."""

    rule: str = option(
        "top",
        "string",
        "'top' keeps the best share of regions, 'se' those above chance by one standard error, "
        "'none' all.",
        choices=("top", "se", "none"),
    )
    cut: float = option(0.30, "number", "Share of regions that 'top' keeps.", above=0, high=1)
    regions: str = option(
        "atlas",
        "path",
        "Regions of the mask: 'atlas' is the atlas of the fmri section, 'kmeans' are parcels of "
        "the coordinates, or a label image.",
    )
    scope: str = option(
        "train",
        "string",
        "'train' lets each fold choose the voxels that its training subjects cover; 'all' "
        "intersects the masks of everybody (uses no labels).",
        choices=("train", "all"),
    )


@dataclasses.dataclass(frozen=True)
class GroupInference:
    """Which edges and nodes go with a column of the participants table."""

    enabled: bool = option(
        False,
        "boolean",
        "Whether edges and nodes are tested, with permutations of residuals within sites.",
    )
    target: str = option(
        "dx", "string", "Column of the participants table that is tested; one or several classes."
    )
    kind: str = option(
        "auto",
        "string",
        "Whether the target is a number (t test of its slope) or classes (t test of two, F test of "
        "more); 'auto' takes more than ten different numbers as numbers.",
        choices=("auto", "number", "classes"),
    )
    covariates: list = option(
        ["age", "sex", "mean_fd", "site"],
        "strings",
        "Columns of the participants table that are taken out, texts as classes; people who lack "
        "one are left out.",
    )
    permutations: int = option(
        1000, "integer", "Permutations of residuals within sites (Freedman-Lane).", low=19
    )
    component_p: float = option(
        0.001,
        "number",
        "Uncorrected two-sided p below which an edge joins a component of the network-based "
        "statistic.",
        above=0,
        high=0.2,
    )
    tfce_extent: float = option(
        0.4,
        "number",
        "Power of a component's number of edges in threshold-free enhancement.",
        low=0,
        high=5,
        source="Vinokur et al. 2015, MRtrix",
    )
    tfce_height: float = option(
        3.0,
        "number",
        "Power of the height in threshold-free enhancement.",
        low=0,
        high=10,
        source="Vinokur et al. 2015, MRtrix",
    )
    tfce_step: float = option(
        0.1,
        "number",
        "Step of the height in threshold-free enhancement.",
        unit="z",
        low=0.01,
        high=1,
        source="MRtrix",
    )


@dataclasses.dataclass(frozen=True)
class Adhd:
    """Degree, distance degree and 3-cycle maps, PCA-LDA with a region mask, honest scores."""

    enabled: bool = enabled()
    preset: str = preset()
    level: str = option(
        "auto",
        "string",
        "Nodes of the graph: voxels, regions, or voxels where there are images.",
        choices=("auto", "voxel", "roi"),
    )
    threshold: float | None = option(
        None,
        "number",
        "Edges are correlations above this value; null uses `density`.",
        low=-1,
        high=1,
        nullable=True,
        source="paper: 0.8 (not verified)",
    )
    density: float | None = option(
        None,
        "number",
        "Share of pairs that are edges; null means 0.02 for voxels and 0.10 for regions.",
        above=0,
        high=0.5,
        nullable=True,
    )
    distance_bins: list = option(
        [0, 20, 40, 60, 80], "numbers", "Lower edges of the distance bins.", unit="mm", low=0
    )
    features: list = option(
        ["degree", "distdegree", "cycle3"],
        "strings",
        "Maps that feed a classifier, each judged alone: of the graph, or alff, falff, reho and "
        "seed of `fmri.maps`; 'fc' are the connectome's edges, 'tangent' the same in a tangent "
        "space that every fold learns.",
        choices=FEATURES,
        source="Dey et al. 2012",
    )
    primary: str = option(
        "cycle3+mask",
        "string",
        "The variant that is declared in advance as the result.",
        source="Dey et al. 2012",
    )
    log1p: bool = option(
        True, "boolean", "Whether counts are log-transformed.", source="paper: false"
    )
    cycles4: bool = option(False, "boolean", "Whether 4-cycle maps are computed as well (slow).")
    block: int = option(2048, "integer", "Rows of a correlation block.", low=64)
    mask: RegionMask = group(RegionMask)
    pca: list = option(
        [10, 20, 40, 80], "integers", "Numbers of components that inner folds choose from.", low=1
    )
    shrinkage: str = option(
        "auto",
        "string",
        "Covariance of the discriminant: Ledoit-Wolf ('auto') or plain.",
        choices=("auto", "none"),
        source="paper: none",
    )
    outer_folds: int = option(5, "integer", "Outer folds.", low=2)
    repeats: int = option(5, "integer", "Repeats of the pooled scheme.", low=1)
    inner_folds: int = option(5, "integer", "Inner folds that choose mask and components.", low=2)
    schemes: list = option(
        ["pooled", "leave_site_out"],
        "strings",
        "Ways to split the subjects.",
        choices=("pooled", "leave_site_out"),
    )
    site_groups: dict = option(
        {}, "mapping", "Sites that count as one: a name and its list of sites."
    )
    keep_single_class_sites: bool = option(
        False, "boolean", "Whether sites with cases or controls only stay in the classification."
    )
    runs: str = option(
        "mean",
        "string",
        "Several runs of a subject: features averaged, or the first run only.",
        choices=("mean", "first"),
    )
    deconfound: list = option(
        [],
        "strings",
        "Columns regressed out of the features inside each fold.",
        choices=("age", "sex", "mean_fd"),
    )
    harmonise: str = option(
        "none",
        "string",
        "Site harmonisation inside each fold, fitted on its training subjects: mean and scale of "
        "each site, or ComBat, which shrinks both and keeps the effects of `protect`.",
        choices=("none", "location_scale", "combat"),
    )
    protect: list = option(
        ["age", "sex"],
        "strings",
        "Columns whose effects ComBat keeps in; never the diagnosis, which test subjects lack.",
        choices=("age", "sex", "mean_fd"),
    )
    transductive: bool = option(
        False,
        "boolean",
        "Whether harmonisation may use the unlabelled subjects of a held-out site.",
    )
    truncate_to: int | None = option(
        None,
        "integer",
        "Volumes that every run is cut to, so that densities compare.",
        unit="volumes",
        low=3,
        nullable=True,
    )
    targets: dict = option(
        {},
        "mapping",
        "Further columns of the participants table that are predicted in the same folds, beside "
        "nulls and baselines: a name and 'number' (R2, MAE, r), 'classes' (any number of them) or "
        "'auto', e.g. {adhd_index: number, subtype: classes}.",
    )
    group: GroupInference = group(GroupInference)
    permutations: int = option(1000, "integer", "Permutations of the labels within sites.", low=0)
    bootstrap: int = option(
        2000,
        "integer",
        "Resamples of the interval of a score that permuted labels leave as it is (the site "
        "baseline), or of all with fewer than 20 permutations.",
        low=100,
    )


PRESETS = {
    "robust": {},
    "paper": {"threshold": 0.8, "log1p": False, "shrinkage": "none"},
}


def primary_maps(adhd) -> list[str]:
    """Maps of the variant that was declared in advance, e.g. `cycle3+mask` -> `['cycle3']`.

    Parameters
    ----------
    adhd : dict
        The resolved section.

    Returns
    -------
    list of str
    """
    return adhd["primary"].removesuffix("+mask").split("+")


def describe(config):
    """Sentences for the methods section with citation keys; see `sections.methods`."""
    adhd = config["adhd"]
    if adhd["threshold"] is not None:
        edges = f"correlations above {adhd['threshold']:g}"
    elif adhd["density"] is not None:
        edges = f"the {100 * adhd['density']:g} % largest correlations"
    else:
        edges = "the 2 % (voxels) or 10 % (regions) largest correlations"
    places = kinds.knows_positions(config["data"]["kind"], config)
    bins = ", degree in distance bins" if places else ""
    mask = {
        "top": f"the {100 * adhd['mask']['cut']:g} % of regions that classified best",
        "se": "the regions that classified above chance by one standard error",
        "none": "all regions",
    }[adhd["mask"]["rule"]]
    sentences = [
        f"Graphs joined nodes by {edges}; degree{bins} and the number of "
        "3-cycles through each node were counted exactly [@dey2012].",
        f"Features were standardised, reduced by PCA and classified by LDA [@dey2012]; with a "
        f"mask, {mask} on training subjects were used.",
        f"Scores come from {adhd['outer_folds']}-fold cross-validation repeated "
        f"{adhd['repeats']} times and from leaving whole sites out; every fitted step, the mask "
        "included, saw training subjects only.",
        f"Null distributions come from {adhd['permutations']} permutations of the labels within "
        "sites; confidence intervals are the score and Student's t times the standard deviation "
        f"of its null, or come from {adhd['bootstrap']} bootstrap resamples of subjects where "
        "that does not vary.",
    ]
    keys = ["dey2012", "sklearn", "numba"]
    if adhd["group"]["enabled"]:
        further, more = _describe_group(adhd["group"])
        sentences, keys = [*sentences, *further], [*keys, *more]
    return sentences, keys


def _describe_group(given):
    """Sentences on group inference, with the citation keys that they use."""
    taken = ", ".join(given["covariates"]) or "nothing"
    return [
        f"Edges and nodes were tested for {given['target']} by a linear model that takes out "
        f"{taken}; {given['permutations']} permutations of its residuals within sites "
        "[@freedman1983; @winkler2014] gave family-wise p values from the largest statistic.",
        f"Edges with p below {given['component_p']:g} formed the components of the network-based "
        "statistic, with extent and intensity [@zalesky2010]; threshold-free enhancement "
        f"[@smith2009; @vinokur2015; @baggio2018] had the powers {given['tfce_extent']:g} and "
        f"{given['tfce_height']:g}.",
    ], ["freedman1983", "winkler2014", "zalesky2010", "smith2009", "vinokur2015", "baggio2018"]
