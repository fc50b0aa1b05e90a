"""Section `braindive`: images that a region or voxel cluster prefers."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from neuro.config.checks import braindive_networks as networks
from neuro.config.checks.braindive_parts import (
    BACKBONES,
    NO_DATA,
    Edit,
    Encoder,
    Judge,
    module_file,
    of_guide,
    of_sampling,
)
from neuro.config.checks.braindive_words import describe
from neuro.config.model import group, option, preset

PLANTED_ROIS = ("face", "place", "body", "word", "food")


@dataclasses.dataclass(frozen=True)
class Independent:
    """The encoder that judges (B): another backbone, fitted on other images."""

    backbone: str = option(
        "tiny_cnn", "string", "As for the guide; must be another one.", choices=BACKBONES
    )
    path: str | None = option(None, "path", "As for the guide.", nullable=True)
    epochs: float = option(12, "number", "Training of a small network.", unit="passes", above=0)


@dataclasses.dataclass(frozen=True)
class Generator:
    """The image generator."""

    type: str = option(
        "tiny",
        "string",
        "A small model trained here, or from a local folder Stable Diffusion 1.x/2.x ('sd'), XL "
        "('sdxl'), 3 and 3.5 ('sd3'), or Flux ('flux').",
        choices=("tiny", "sd", "sdxl", "sd3", "flux"),
        source="paper: Stable Diffusion 2.1 base",
    )
    path: str | None = option(
        None,
        "path",
        "Folder with unet/ (transformer/ for sd3 and flux), vae/, scheduler/; for 'tiny' a trained "
        "model, null trains one.",
        nullable=True,
    )
    size: int | None = option(
        None,
        "integer",
        "Edge of the images of 'sd' and 'sdxl'; null takes that of the model's training.",
        unit="px",
        low=8,
        nullable=True,
    )
    images: str | None = option(
        None,
        "path",
        "Images that 'tiny' is trained on; null takes the training images of the data.",
        nullable=True,
    )
    vae_channels: list = option([16, 32, 64], "integers", "Widths of the autoencoder.", low=8)
    vae_steps: int = option(948, "integer", "Minibatches of 16 for the autoencoder.", low=1)
    unet_channels: list = option([48, 96], "integers", "Widths of the denoiser.", low=16, length=2)
    unet_steps: int = option(635, "integer", "Minibatches of 64 for the denoiser.", low=1)


@dataclasses.dataclass(frozen=True)
class Braindive:
    """Images that a brain region or voxel cluster prefers: the one stage that gains from a GPU."""

    enabled: bool = option(False, "boolean", "Whether the stage runs.")
    preset: str = preset()
    images: str = option(
        "planted",
        "path",
        "Stimulus-response data (.npz, .h5, folder, .nwb, archive), images as .npy, 'planted', or "
        "'none' with an encoder that is fitted already.",
    )
    betas: str | None = option(
        None, "path", "Responses (n, n_voxels) as .npy, one row per image in a .npy.", nullable=True
    )
    rois: str | None = option(
        None,
        "path",
        "Table voxel, roi, perhaps t and ncsnr; voxels with t <= 2 are out.",
        nullable=True,
    )
    test_images: str | None = option(
        None,
        "path",
        "Text file with the test images, one name or row number per line, with all their repeats; "
        "null takes the data's own (the shared images of NSD).",
        nullable=True,
    )
    objectives: list = option(
        ["rois"],
        "strings",
        "Regions, voxels, contrasts ('face - body', 'FFA-0.4*EBA'), regions joined ('A+B') or "
        "shared ('A&B'), a region over all others ('over:A'), parts of a region ('sub:A:1'), "
        "voxels that prefer a condition ('prefers:6'), objectives of `objective_table` by name or "
        "as 'table-1', or 'rois' for all regions.",
    )
    objective_table: str | None = option(
        None,
        "path",
        "Table objective, unit, weight, kind, temperature, verdict, as mds writes it.",
        nullable=True,
    )
    n_prefer: int = option(
        200, "integer", "Voxels of an objective such as 'prefers:6', best first.", low=1
    )
    n_sub_regions: int = option(
        2,
        "integer",
        "Parts of a region for 'sub:A:1', by k-means on the directions of its readout; 1 is the "
        "largest.",
        low=2,
    )
    early_areas: bool = option(False, "boolean", "Whether early visual areas may be objectives.")
    encoder: Encoder = group(Encoder)
    independent: Independent = group(Independent)
    judge: Judge = group(Judge)
    generator: Generator = group(Generator)
    n_seeds: int = option(32, "integer", "Images per objective.", low=2)
    seed_block: int = option(16, "integer", "Images per job.", low=1)
    batch_size: int = option(8, "integer", "Images per pass.", low=1, source="paper: 1")
    best_of: int = option(
        8,
        "integer",
        "Unguided images per seed of which the guide picks the best, as a control without "
        "gradients; 1 leaves it out.",
        low=1,
    )
    panel: list = option(
        ["category", "pixels", "gabor"],
        "strings",
        "Further judges beside the independent encoder: features of the category judge, pixels, "
        "Gabor energies, or a network and its folder, such as 'dinov2:FOLDER'.",
    )
    steps: int = option(25, "integer", "Steps of the sampler.", low=2, source="paper: 50")
    scheduler: str = option(
        "dpmsolver++",
        "string",
        "The sampler; models that were distilled to few steps bring their own.",
        choices=("dpmsolver++", "ddim"),
    )
    strength: str = option(
        "ratio",
        "string",
        "'ratio' scales every correction to a share of the noise prediction; 'gamma' multiplies "
        "the raw gradient; 'polyak' goes as far as the gradient says `polyak_target` lies.",
        choices=("ratio", "gamma", "polyak"),
        source="paper: gamma",
    )
    value: float = option(0.2, "number", "Strength.", low=0, source="released code: gamma 130")
    polyak_target: float | None = option(
        None,
        "number",
        "Predicted response that 'polyak' steps towards; no step goes beyond it.",
        unit="SD of the response",
        nullable=True,
    )
    recurrence: int = option(
        1,
        "integer",
        "Times that each guided step is done, with fresh noise added back between them.",
        low=1,
        source="ours; Bansal et al. 2023: 10",
    )
    guide_augment: int = option(
        0,
        "integer",
        "Shifted and brightened copies of the picture whose gradients are averaged; 0 takes the "
        "picture itself.",
        low=0,
    )
    edit: Edit = group(Edit)
    guidance_target: str = option(
        "blend",
        "string",
        "The latent whose picture is judged.",
        choices=("blend", "x0"),
        source="released code",
    )
    unet_backprop: bool = option(True, "boolean", "Whether the gradient runs through the UNet.")
    sag_scale: float = option(
        0.0, "number", "Self-attention guidance.", low=0, source="released code: 0.75"
    )
    guide_interval: list = option(
        [0, 1],
        "numbers",
        "Share of the steps that is guided.",
        low=0,
        high=1,
        length=2,
    )
    min_voxels: int = option(20, "integer", "Fewer voxels are no objective.", low=1)
    min_r2: float = option(
        0.05, "number", "Smallest median R2 of an objective's voxels on test images.", high=1
    )
    min_cv_r: float = option(
        -1.0,
        "number",
        "Voxels whose cross-validated correlation is smaller are left out before guiding.",
        low=-1,
        high=1,
    )
    device: str = option(
        "auto",
        "string",
        "Where images are made; unless it is cpu, the job asks for one GPU.",
        choices=("auto", "cpu", "cuda"),
    )
    encode_device: str = option(
        "same",
        "string",
        "Where networks from a folder compute features for the fits; same is `device`. Unless it "
        "is cpu, such a fit asks for one GPU; other features stay on the CPU.",
        choices=("same", "auto", "cpu", "cuda"),
    )
    dtype: str = option(
        "auto",
        "string",
        "Numbers of UNet and decoder; auto is bfloat16 on a GPU, float32 on a CPU.",
        choices=("auto", "float32", "bfloat16", "float16"),
        source="paper: float16",
    )
    compile: bool = option(
        False, "boolean", "Compile UNet and decoder for one batch size; pays on a GPU only."
    )
    guide_decoder: str = option(
        "exact",
        "string",
        "Decoder of the gradient: the generator's own, the same on averaged latents ('pooled'), or "
        "a small autoencoder; refused unless its gradient has a cosine of 0.8 with the exact one.",
        choices=("exact", "pooled", "small"),
    )
    guide_decoder_path: str | None = option(
        None, "path", "Folder of the small autoencoder (diffusers layout).", nullable=True
    )
    content_filter: str = option(
        "report",
        "string",
        "'report' notes the verdict of Stable Diffusion's safety checker beside each image, where "
        "its weights are there; no image is changed or dropped.",
        choices=("report", "off"),
    )
    content_filter_path: str | None = option(
        None,
        "path",
        "Its folder; null takes safety_checker/ in the generator's folder, if there is one.",
        nullable=True,
    )
    dry: bool = option(False, "boolean", "Only say how much memory a guided step needs, and stop.")


PRESETS = {
    "robust": {},
    "paper": {
        "encoder.readout": "adamw_reference",
        "encoder.antialias": False,
        "encoder.n_augment": 10,
        "strength": "gamma",
        "value": 130.0,
        "sag_scale": 0.75,
        "steps": 50,
        "batch_size": 1,
    },
}


def needs_runs(section) -> bool:
    """Whether the stage works on the runs of section `data`: never, it has images of its own."""
    return False


def slug(name: str) -> str:
    """An objective's name as a folder: letters, digits, dots and dashes."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")


def dataset(section) -> str:
    """Name of the data set's folder."""
    if section["images"] == "planted":
        return "scenes"
    if section["images"] == NO_DATA:
        own = section["encoder"]
        given = own["weights"] or module_file(own["module"] or "")
        return slug(Path(given).name.split(".")[0]) or "fitted"
    return slug(Path(section["images"]).name.split(".")[0]) or "images"


def objectives(section) -> list[str]:
    """Names of the objectives; 'rois' stands for all regions that are known beforehand.

    Parameters
    ----------
    section : dict

    Returns
    -------
    list of str
    """
    names: list[str] = []
    for name in section["objectives"]:
        if name != "rois":
            names.append(name)
        elif section["images"] == "planted":
            names += PLANTED_ROIS
        elif section["rois"] and Path(section["rois"]).is_file():
            lines = Path(section["rois"]).read_text("utf-8").splitlines()
            column = lines[0].split("\t").index("roi") if "roi" in lines[0].split("\t") else None
            if column is not None:
                given = [line.split("\t")[column] for line in lines[1:] if line.strip()]
                names += [roi for roi in dict.fromkeys(given) if roi not in ("", "n/a", "none")]
    return list(dict.fromkeys(names))


def problems(config) -> list[str]:
    """What is wrong with the section, beyond single values."""
    section = config["braindive"]
    if not section["enabled"]:
        return []
    lines = []
    for key in ("images", "betas", "rois", "test_images", "generator.images"):
        value = section["generator"]["images"] if "." in key else section[key]
        if value and value not in ("planted", NO_DATA) and not Path(value).exists():
            lines.append(f"braindive.{key}: no such file: {value}")
    names = objectives(section)
    if section["objectives"] and not names:
        lines.append("braindive.objectives: no region is known; name some, or give braindive.rois")
    if len({slug(name) for name in names}) < len(names):
        lines.append("braindive.objectives: two names that give the same folder name")
    table = section["objective_table"]
    if any(re.fullmatch(r"table-\d+", name) for name in names) and not table:
        lines.append("braindive.objectives: 'table-1' needs braindive.objective_table")
    if table and not Path(table).exists():
        if not str(table).startswith("results/mds/"):
            lines.append(f"braindive.objective_table: no such file: {table}")
        elif not config.get("mds", {}).get("enabled"):
            lines.append(f"braindive.objective_table: {table} needs stage mds; enable it")
    lines += of_guide(section) + of_sampling(section) + networks.problems(section)
    if section["compile"] and section["sag_scale"]:
        lines.append("braindive.compile: not with sag_scale above 0; set one of them off")
    if section["judge"]["type"] == "file" and not section["judge"]["path"]:
        lines.append("braindive.judge.path: missing; judge.type is 'file'")
    if section["guide_interval"][0] >= section["guide_interval"][1]:
        lines.append("braindive.guide_interval: expected from < to")
    return lines


__all__ = [
    "PRESETS",
    "Braindive",
    "dataset",
    "describe",
    "needs_runs",
    "objectives",
    "problems",
    "slug",
]
