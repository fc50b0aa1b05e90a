"""Section `braindive`: images that a region or voxel cluster prefers."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from neuro.config.model import group, option, preset

PLANTED_ROIS = ("face", "place", "body", "word", "food")
BACKBONES = ("clip", "clip_b16", "tiny", "tiny_cnn", "pixels", "gabor")


@dataclasses.dataclass(frozen=True)
class Encoder:
    """The encoder that guides (A)."""

    backbone: str = option(
        "tiny",
        "string",
        "Image features: CLIP ViT-B/16 from a local folder, a small transformer or convolutional "
        "network trained on the data, pixels, or Gabor energies.",
        choices=BACKBONES,
        source="paper: clip_b16",
    )
    path: str | None = option(
        None, "path", "Folder of CLIP weights, or a small network's file.", nullable=True
    )
    readout: str = option(
        "ridge",
        "string",
        "Ridge with a penalty per voxel, or the released code's optimiser.",
        choices=("ridge", "adamw_reference"),
    )
    n_augment: int = option(
        1, "integer", "Copies of each image for the ridge; the first is unchanged.", low=1
    )
    antialias: bool = option(
        True, "boolean", "Resize with antialias.", source="ours; released code: false"
    )
    epochs: float = option(12, "number", "Training of a small network.", unit="passes", above=0)


@dataclasses.dataclass(frozen=True)
class Independent:
    """The encoder that judges (B): another backbone, fitted on other images."""

    backbone: str = option(
        "tiny_cnn", "string", "As for the guide; must be another one.", choices=BACKBONES
    )
    path: str | None = option(None, "path", "As for the guide.", nullable=True)
    epochs: float = option(12, "number", "Training of a small network.", unit="passes", above=0)


@dataclasses.dataclass(frozen=True)
class Judge:
    """The category judge (J): sees the condition labels of the images, no responses."""

    type: str = option(
        "cnn",
        "string",
        "A small network trained on the labels of all training images, a file, or none.",
        choices=("cnn", "file", "none"),
    )
    path: str | None = option(
        None, "path", "A judge that neuro wrote (type 'file').", nullable=True
    )
    epochs: float = option(12, "number", "Training of the network.", unit="passes", above=0)


@dataclasses.dataclass(frozen=True)
class Generator:
    """The image generator."""

    type: str = option(
        "tiny",
        "string",
        "A small model trained here, or Stable Diffusion 1.x/2.x ('sd') or XL ('sdxl') from a "
        "local folder.",
        choices=("tiny", "sd", "sdxl"),
        source="paper: Stable Diffusion 2.1 base",
    )
    path: str | None = option(
        None,
        "path",
        "Folder with unet/, vae/, scheduler/; for 'tiny' a trained model, null trains one.",
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
        "Stimulus-response data (.npz, .h5, folder, .nwb, archive), images as .npy, or 'planted'.",
    )
    betas: str | None = option(
        None, "path", "Responses (n, n_voxels) as .npy, one row per image in a .npy.", nullable=True
    )
    rois: str | None = option(
        None,
        "path",
        "Table voxel, roi, perhaps t; voxels with t <= 2 are out.",
        nullable=True,
    )
    objectives: list = option(
        ["rois"],
        "strings",
        "Regions, voxels, contrasts ('face - body', 'FFA-0.4*EBA'), joined regions ('A+B'), "
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
    early_areas: bool = option(False, "boolean", "Whether early visual areas may be objectives.")
    encoder: Encoder = group(Encoder)
    independent: Independent = group(Independent)
    judge: Judge = group(Judge)
    generator: Generator = group(Generator)
    n_seeds: int = option(32, "integer", "Images per objective.", low=2)
    seed_block: int = option(16, "integer", "Images per job.", low=1)
    batch_size: int = option(8, "integer", "Images per pass.", low=1, source="paper: 1")
    steps: int = option(25, "integer", "Steps of the sampler.", low=2, source="paper: 50")
    scheduler: str = option(
        "dpmsolver++", "string", "The sampler.", choices=("dpmsolver++", "ddim")
    )
    strength: str = option(
        "ratio",
        "string",
        "'ratio' scales every correction to a share of the noise prediction; 'gamma' multiplies "
        "the raw gradient.",
        choices=("ratio", "gamma"),
        source="paper: gamma",
    )
    value: float = option(0.2, "number", "Strength.", low=0, source="released code: gamma 130")
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
                found = [line.split("\t")[column] for line in lines[1:] if line.strip()]
                names += [roi for roi in dict.fromkeys(found) if roi not in ("", "n/a", "none")]
    return list(dict.fromkeys(names))


def problems(config) -> list[str]:
    """What is wrong with the section, beyond single values."""
    section = config["braindive"]
    if not section["enabled"]:
        return []
    found = []
    for key in ("images", "betas", "rois", "generator.images"):
        value = section["generator"]["images"] if "." in key else section[key]
        if value and value != "planted" and not Path(value).exists():
            found.append(f"braindive.{key}: no such file: {value}")
    names = objectives(section)
    if section["objectives"] and not names:
        found.append("braindive.objectives: no region is known; name some, or give braindive.rois")
    if len({slug(name) for name in names}) < len(names):
        found.append("braindive.objectives: two names that give the same folder name")
    table = section["objective_table"]
    if any(re.fullmatch(r"table-\d+", name) for name in names) and not table:
        found.append("braindive.objectives: 'table-1' needs braindive.objective_table")
    if table and not Path(table).exists():
        if not str(table).startswith("results/mds/"):
            found.append(f"braindive.objective_table: no such file: {table}")
        elif not config.get("mds", {}).get("enabled"):
            found.append(f"braindive.objective_table: {table} needs stage mds; enable it")
    guide, judge = section["encoder"]["backbone"], section["independent"]["backbone"]
    if guide.removesuffix("_b16") == judge.removesuffix("_b16"):
        found.append(
            f"braindive.independent.backbone: '{judge}' is the guide's as well; the same backbone "
            "is no independent judge"
        )
    for key in ("encoder", "independent"):
        if section[key]["backbone"].startswith("clip") and not section[key]["path"]:
            found.append(f"braindive.{key}.path: missing; clip reads a local folder")
    if section["generator"]["type"] != "tiny" and not section["generator"]["path"]:
        found.append(
            "braindive.generator.path: missing; give the folder with unet/, vae/ and scheduler/"
        )
    if section["guide_decoder"] == "small" and not section["guide_decoder_path"]:
        found.append("braindive.guide_decoder_path: missing; guide_decoder is 'small'")
    for key in ("guide_decoder_path", "content_filter_path"):
        if section[key] and not Path(section[key]).is_dir():
            found.append(f"braindive.{key}: no such folder: {section[key]}")
    if section["compile"] and section["sag_scale"]:
        found.append("braindive.compile: not with sag_scale above 0; set one of them off")
    if section["judge"]["type"] == "file" and not section["judge"]["path"]:
        found.append("braindive.judge.path: missing; judge.type is 'file'")
    if section["guide_interval"][0] >= section["guide_interval"][1]:
        found.append("braindive.guide_interval: expected from < to")
    return found


def describe(config):
    """Sentences for the methods section with citation keys; see `sections.methods`."""
    section = config["braindive"]
    generator = {
        "tiny": "a small latent diffusion model trained on the data set's own images",
        "sd": "Stable Diffusion from local weights [@rombach2022]",
        "sdxl": "Stable Diffusion XL from local weights [@rombach2022]",
    }[section["generator"]["type"]]
    strength = (
        f"each correction had {section['value']:g} times the size of the noise prediction"
        if section["strength"] == "ratio"
        else f"the gradient was scaled by {section['value']:g}"
    )
    through = "through" if section["unet_backprop"] else "without"
    sentences = [
        f"Voxel responses were predicted from {section['encoder']['backbone']} features by a "
        f"linear readout ({section['encoder']['readout']}), fitted on every second training image.",
        f"Images were sampled from {generator} in {section['steps']} steps, guided by the gradient "
        f"of the predicted response {through} the denoiser [@luo2023]; {strength}.",
        f"They were judged by an encoder with another backbone "
        f"({section['independent']['backbone']}) fitted on the other training images, against "
        f"unguided images from the same noise; {section['n_seeds']} seeds per objective.",
    ]
    keys = ["luo2023", "diffusers"]
    if section["guide_decoder"] != "exact":
        sentences.append(
            "For the gradient, latents were decoded by "
            + (
                "the same decoder after averaging over squares of 2 x 2."
                if section["guide_decoder"] == "pooled"
                else "a small autoencoder; images were decoded by the generator's own."
            )
        )
    if section["sag_scale"]:
        sentences.append("Self-attention guidance was used [@hong2023].")
        keys.append("hong2023")
    if section["generator"]["type"] != "tiny":
        keys.append("rombach2022")
    return sentences, keys
