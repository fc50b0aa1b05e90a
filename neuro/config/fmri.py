"""Section `fmri`: denoising, region series, connectomes and quality control."""

from __future__ import annotations

import dataclasses

from neuro.config import kinds
from neuro.config.model import enabled, group, option, preset

STRATEGIES = (
    "auto",
    "athena",
    "6P",
    "24P",
    "36P",
    "36P_nogsr",
    "acompcor",
    "acompcor_lite",
    "custom",
    "none",
)
COMPARED = tuple(name for name in STRATEGIES if name not in ("auto", "acompcor_lite"))
_FORMS = "(=(basic|power2|derivatives|full))?"
_COMPONENT = (
    f"((motion|wm_csf|global_signal){_FORMS}|high_pass|scrub|non_steady_state|ica_aroma=basic"
    "|compcor(=(temporal|(temporal_)?anat_(combined|separated))(:[1-9][0-9]*)?)?)"
)
COMPONENTS = rf"^{_COMPONENT}(\+{_COMPONENT})*$"
"""What nilearn's `load_confounds` calls a strategy, its names joined by `+`."""


@dataclasses.dataclass(frozen=True)
class Realign:
    """Rigid realignment of raw images."""

    reference: str = option(
        "first",
        "string",
        "Raw BIDS: volume that the others are brought to, or the mean after a first pass.",
        choices=("first", "mean"),
        source="Athena",
    )
    step: int = option(3, "integer", "Raw BIDS: every step-th voxel is compared.", low=1)
    fwhm_mm: float = option(
        8.0, "number", "Raw BIDS: smoothing of the volumes during estimation.", unit="mm", above=0
    )
    max_iter: int = option(30, "integer", "Raw BIDS: iterations per volume.", low=1)


@dataclasses.dataclass(frozen=True)
class Normalise:
    """The user's own way from native to template space."""

    affine: str | None = option(
        None,
        "path",
        "Raw BIDS: text file with a 4x4 matrix from native to template space (mm, RAS+), one per "
        "subject; {participant_id} and {session} stand for labels.",
        nullable=True,
    )
    target: str | None = option(
        None,
        "path",
        "Raw BIDS: image whose grid the result has; null is a 4 mm box around the MNI brain.",
        nullable=True,
    )


@dataclasses.dataclass(frozen=True)
class Surfaces:
    """Meshes of the cortex, for series on surfaces: smoothing, distances and pictures."""

    left: str | None = option(
        None,
        "path",
        "Surface of the left hemisphere in the space and density of the series, best its "
        "midthickness (.surf.gii); null is that of fsaverage5 for its series, else none.",
        nullable=True,
    )
    right: str | None = option(
        None, "path", "Surface of the right hemisphere, as for the left one.", nullable=True
    )


@dataclasses.dataclass(frozen=True)
class Fmri:
    """From raw or preprocessed images or region tables to clean series and connectomes."""

    enabled: bool = enabled()
    preset: str = preset()
    drop_volumes: int = option(
        0,
        "integer",
        "Volumes removed from the start of each run.",
        low=0,
        source="paper: 4, Athena",
    )
    slice_timing: str = option(
        "auto",
        "string",
        "Raw BIDS: whether slices are brought to one moment; 'auto' does it where the sidecar "
        "holds SliceTiming.",
        choices=("auto", "off"),
    )
    slice_reference: str = option(
        "half_span",
        "string",
        "Raw BIDS: the moment, half of the acquisition span or the middle slice.",
        choices=("half_span", "middle_slice"),
        source="fMRIPrep; paper: middle_slice, Athena",
    )
    realign: Realign = group(Realign)
    normalise: Normalise = group(Normalise)
    surfaces: Surfaces = group(Surfaces)
    strategy: str = option(
        "auto",
        "string",
        "Confound regressors; 'auto' is 36P with confounds tables, 24P where head motion is all "
        "there is (raw BIDS), none for XCP-D. Or components of nilearn's load_confounds joined by "
        "'+', such as motion=full+high_pass+wm_csf=basic or motion+high_pass+compcor=temporal:5.",
        choices=STRATEGIES,
        pattern=COMPONENTS,
        source="paper: athena",
    )
    confound_columns: list = option(
        [], "strings", "Columns of the confounds table for strategy 'custom'; globs are allowed."
    )
    band: list = option(
        [0.01, 0.08],
        "numbers",
        "Pass band.",
        unit="Hz",
        length=2,
        low=0,
        source="XCP-D; paper: [0.009, 0.08], Athena",
    )
    filter: str = option(
        "butterworth",
        "string",
        "Temporal filter.",
        choices=("butterworth", "fourier", "fft", "none"),
        source="XCP-D; paper: fft, Athena",
    )
    scrub: bool = option(
        True, "boolean", "Whether volumes with much motion are censored.", source="paper: false"
    )
    fd_mm: float = option(
        0.5, "number", "Censor above this framewise displacement.", unit="mm", above=0
    )
    std_dvars: float = option(1.5, "number", "Censor above this standardised DVARS.", above=0)
    min_segment: int = option(
        5, "integer", "Kept stretches shorter than this are censored too.", unit="volumes", low=1
    )
    min_seconds: float = option(
        240.0, "number", "Runs with less time kept are excluded.", unit="s", low=0, source="XCP-D"
    )
    smooth_mm: float = option(
        6.0, "number", "FWHM of the smoothing, 0 for none.", unit="mm", low=0, source="Athena"
    )
    clean_tables: bool = option(
        False,
        "boolean",
        "Whether region tables are filtered as well; published tables mostly are already.",
    )
    constant_regions: str = option(
        "missing",
        "string",
        "Region tables: what a region without any variation in a run is: 'missing' there, or a "
        "reason to exclude the run.",
        choices=("missing", "exclude_run"),
    )
    atlas: str = option(
        "power264",
        "path",
        "power264, dosenbach160, seitzman300, or a label image (.nii.gz); for series on surfaces "
        "labels of their space (.dlabel.nii, lh.*.annot, or the left .label.gii); "
        "'simulated' is the atlas of the planted cohort.",
    )
    sphere_mm: float = option(
        5.0, "number", "Radius of the spheres around atlas coordinates.", unit="mm", above=0
    )
    min_coverage: float = option(
        0.5, "number", "Regions with a smaller covered share become missing.", low=0, high=1
    )
    connectome: str = option(
        "fisher_z",
        "string",
        "Kind of connectome.",
        choices=("pearson", "fisher_z", "partial", "covariance"),
    )
    maps: list = option(
        [],
        "strings",
        "Images: maps of each run and of the group. Amplitude of low-frequency fluctuations "
        "(alff), its share of all frequencies (falff), regional homogeneity (reho), correlation "
        "with `seeds` (seed).",
        choices=kinds.RUN_MAPS,
    )
    compare: list = option(
        [],
        "strings",
        "Images: further strategies under which the same runs are cleaned, for a ledger of what "
        "each costs and what motion it leaves; names as for `strategy`.",
        choices=COMPARED,
        pattern=COMPONENTS,
        source="Ciric et al. 2017",
    )
    reho_neighbours: int = option(
        27,
        "integer",
        "Voxels of a neighbourhood of reho, itself included: those that share a face (7), an edge "
        "(19) or a corner (27).",
        choices=(7, 19, 27),
        unit="voxels",
        source="XCP-D",
    )
    seeds: dict = option(
        {},
        "mapping",
        "Centres of the seeds in mm, RAS+, each a sphere of `sphere_mm`, e.g. {pcc: [0, -52, 26]}.",
    )


PRESETS = {
    "robust": {},
    "paper": {
        "drop_volumes": 4,
        "slice_reference": "middle_slice",
        "strategy": "athena",
        "band": [0.009, 0.08],
        "filter": "fft",
        "scrub": False,
    },
}


def describe(config):
    """Sentences for the methods section with citation keys; see `sections.methods`."""
    data, fmri = config["data"], config["fmri"]
    sentences, keys = [], ["nilearn", "nibabel", "snakemake"]
    if data["kind"] in kinds.TABLES:
        sentences.append(
            "Region time courses were read from tables; no image processing was applied"
            + (
                f", and the series were filtered to {fmri['band'][0]:g}-{fmri['band'][1]:g} Hz."
                if fmri["clean_tables"] and fmri["filter"] != "none"
                else "."
            )
        )
        if data["kind"] == "adhd200":
            sentences.append(
                "They are the AAL-116 time courses of the ADHD-200 sample, preprocessed with the "
                "Athena pipeline [@adhd200; @bellec2017; @tzourio2002]."
            )
            keys += ["adhd200", "bellec2017", "tzourio2002"]
    elif data["kind"] == kinds.DENOISED:
        sentences.append(
            "Images denoised with XCP-D [@mehta2024] were taken as they are, without another "
            f"filter or regression; runs with less than {fmri['min_seconds']:g} s kept were "
            "excluded."
        )
        keys.append("mehta2024")
    else:
        _images(data, fmri, sentences, keys)
    if kinds.on_surfaces(fmri):
        sentences.append(
            "Series are those of grayordinates; on the cortex they were smoothed by diffusion of "
            f"heat on its mesh, as a {fmri['smooth_mm']:g} mm FWHM Gaussian would, in the volume "
            "with that Gaussian; region series were taken before smoothing."
            if fmri["smooth_mm"]
            else "Series are those of grayordinates."
        )
    elif data["kind"] not in kinds.TABLES and fmri["smooth_mm"]:
        sentences.append(
            f"Voxel series for graph analyses were smoothed with a {fmri['smooth_mm']:g} mm "
            "FWHM Gaussian inside the brain mask; region series were taken before smoothing."
        )
    sentences.append(f"Connectomes are of kind {fmri['connectome']}.")
    if data["kind"] not in kinds.TABLES and fmri["maps"]:
        _maps(fmri, sentences, keys)
    return sentences, keys


def _images(data, fmri, sentences, keys):
    """What was done to images before the series were taken."""
    if fmri["drop_volumes"]:
        sentences.append(f"The first {fmri['drop_volumes']} volumes of each run were dropped.")
    if data["kind"] == kinds.NATIVE:
        _native(fmri, sentences, keys)
    name = fmri["strategy"]
    if name == "auto":
        name, _ = kinds.strategy(data["kind"], name)
    if name != "none":
        order = (
            "before the band-pass filter, as in the Athena pipeline [@bellec2017]"
            if name == "athena"
            else "jointly with the temporal filter, so that no nuisance signal returns to the "
            "pass band [@lindquist2019]"
        )
        keys.append("bellec2017" if name == "athena" else "lindquist2019")
        sentences.append(f"Confounds (strategy {name}) were regressed out {order}.")
    if fmri["filter"] != "none":
        sentences.append(
            f"Series were filtered to {fmri['band'][0]:g}-{fmri['band'][1]:g} Hz "
            f"({fmri['filter']})."
        )
    if fmri["scrub"]:
        sentences.append(
            f"Volumes with framewise displacement above {fmri['fd_mm']:g} mm or standardised "
            f"DVARS above {fmri['std_dvars']:g} were censored [@power2014]; runs with less "
            f"than {fmri['min_seconds']:g} s kept were excluded [@mehta2024]."
        )
        keys += ["power2014", "mehta2024"]


def _maps(fmri, sentences, keys):
    """What the maps of the runs are."""
    words = {
        "alff": "the mean amplitude of fluctuations inside the band (ALFF) [@zang2007]",
        "falff": "its share of the amplitudes of all frequencies (fALFF) [@zou2008]",
        "reho": f"Kendall's concordance of {fmri['reho_neighbours']} neighbouring voxels (ReHo) "
        "[@zang2004]",
        "seed": f"the correlation with {len(fmri['seeds'])} seeds",
    }
    cited = {"alff": "zang2007", "falff": "zou2008", "reho": "zang2004"}
    sentences.append(
        "Maps of each run were computed from unsmoothed series: "
        + ", ".join(words[name] for name in fmri["maps"])
        + "; where volumes were censored, amplitudes come from a least-squares periodogram of the "
        "others. Group maps are means over people of z-scores inside each mask (seeds: Fisher z)."
    )
    keys += [cited[name] for name in fmri["maps"] if name in cited]


def _native(fmri, sentences, keys):
    """The light path of raw images."""
    if fmri["slice_timing"] != "off":
        moment = {
            "half_span": "half of the acquisition span",
            "middle_slice": "the time of the middle slice",
        }[fmri["slice_reference"]]
        sentences.append(
            f"Where slice times were known, slices were brought to {moment} by a phase shift."
        )
    reference = {"first": "first volume", "mean": "mean volume"}[fmri["realign"]["reference"]]
    sentences.append(
        f"Runs were realigned rigidly to their {reference} (Gauss-Newton, interpolated once with "
        "cubic splines), and a brain mask was found on the mean of the realigned volumes. "
        + (
            "Images were brought to template space with an affine that was given."
            if fmri["normalise"]["affine"]
            else "Images stayed in native space: no susceptibility correction and no "
            "normalisation was applied."
        )
    )
