"""Section `fmri`: denoising, region series, connectomes and quality control."""

from __future__ import annotations

import dataclasses

from neuro.config.model import enabled, option, preset

STRATEGIES = (
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


@dataclasses.dataclass(frozen=True)
class Fmri:
    """From template-space images or region tables to clean series and connectomes."""

    enabled: bool
    preset: str
    enabled: bool = enabled()
    preset: str = preset()
    drop_volumes: int = option(
        0,
        "integer",
        "Volumes removed from the start of each run.",
        low=0,
        source="paper: 4, Athena",
    )
    strategy: str = option(
        "36P", "string", "Confound regressors.", choices=STRATEGIES, source="paper: athena"
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
    atlas: str = option(
        "power264",
        "path",
        "power264, dosenbach160, seitzman300, or a label image (.nii.gz); "
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


PRESETS = {
    "robust": {},
    "paper": {
        "drop_volumes": 4,
        "strategy": "athena",
        "band": [0.009, 0.08],
        "filter": "fft",
        "scrub": False,
    },
}


def describe(config):
    """Sentences for the methods section, with the citation keys they need.

    Parameters
    ----------
    config : dict
        The resolved configuration.

    Returns
    -------
    sentences : list of str
    keys : list of str
    """
    data, fmri = config["data"], config["fmri"]
    sentences, keys = [], ["nilearn", "nibabel", "snakemake"]
    if data["kind"] in ("table", "adhd200"):
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
    else:
        if fmri["drop_volumes"]:
            sentences.append(f"The first {fmri['drop_volumes']} volumes of each run were dropped.")
        if fmri["strategy"] != "none":
            order = (
                "before the band-pass filter, as in the Athena pipeline [@bellec2017]"
                if fmri["strategy"] == "athena"
                else "jointly with the temporal filter, so that no nuisance signal returns to the "
                "pass band [@lindquist2019]"
            )
            keys.append("bellec2017" if fmri["strategy"] == "athena" else "lindquist2019")
            sentences.append(f"Confounds (strategy {fmri['strategy']}) were regressed out {order}.")
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
        if fmri["smooth_mm"]:
            sentences.append(
                f"Voxel series for graph analyses were smoothed with a {fmri['smooth_mm']:g} mm "
                "FWHM Gaussian inside the brain mask; region series were taken before smoothing."
            )
    sentences.append(f"Connectomes are of kind {fmri['connectome']}.")
    return sentences, keys
