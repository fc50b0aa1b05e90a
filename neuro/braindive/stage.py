"""The stage's jobs: what each rule does with its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuro.base import provenance
from neuro.braindive import given as given_encoders
from neuro.braindive import objectives
from neuro.braindive.category import fit_category
from neuro.braindive.contrasts import parse
from neuro.braindive.diffusion.device import fit_device
from neuro.io.problems import InputProblem

NO_DATA = "none"
"""Value of `images` where no responses were measured."""
PACKAGES = ("torch", "diffusers", "transformers", "safetensors", "numpy")
RECONSTRUCTIONS = "reconstructions.npy"


SAMPLER = (
    *("preset", "strength", "value", "guidance_target", "unet_backprop", "sag_scale", "steps"),
    *("scheduler", "guide_interval", "dtype", "device", "compile"),
    *("polyak_target", "recurrence", "guide_augment"),
)
"""Settings that are the sampler's own arguments."""


def _data(settings, path=None):
    from neuro.braindive.dataset import read_data

    if settings["images"] == NO_DATA:
        return None
    images = path if settings["images"] == "planted" else settings["images"]
    return read_data(images, settings["betas"], settings["rois"], test=settings["test_images"])


def _inputs(given):
    return [str(path) for path in ([given] if isinstance(given, (str, Path)) else given)]


def make_generator(given, out, settings, seed, log) -> None:
    """Train the small generator, or write a manifest of the user's folder.

    Parameters
    ----------
    given : sequence of str
        Files with images, or the user's folder; planted scenes come last.
    out : path-like
        Folder with `manifest.json`; of a trained model also its weights, and the training
        images as its decoder draws them.
    settings : dict
        Section `braindive`.
    seed : int
    log : callable

    Raises
    ------
    InputProblem
        In a dry run, with an estimate of the memory; or when weights or images are missing.
    """
    from neuro.braindive.diffusion import kinds, memory, stable_diffusion
    from neuro.braindive.diffusion.folder import weights_hash
    from neuro.braindive.diffusion.tiny_ldm import TinyLDM, TinyRecipe

    if settings.get("dry"):
        memory.stop(kinds.estimate(settings), log)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    choice = settings["generator"]
    manifest = {"type": choice["type"], "path": choice["path"]}
    if choice["type"] != "tiny":
        kinds.check(choice["path"], choice["type"], choice.get("size"))
        manifest["sha256"] = kinds.fingerprint(choice["path"], choice["type"])
        manifest["licence"] = stable_diffusion.licence_of(Path(choice["path"]))
    else:
        if settings["images"] == NO_DATA:
            images, drawn = (_own_images(choice["images"]) if choice["images"] else None), None
        else:
            data = _data(settings, _inputs(given)[-1])
            images = drawn = data.images[~data.test]
        if choice["path"]:
            model = TinyLDM.load(choice["path"])
        else:
            recipe = TinyRecipe(
                vae_channels=tuple(choice["vae_channels"]),
                vae_steps=choice["vae_steps"],
                unet_channels=tuple(choice["unet_channels"]),
                unet_steps=choice["unet_steps"],
            )
            if choice["images"]:
                images = _own_images(choice["images"])
            model = TinyLDM.train(images, seed, recipe, log)
        # 16-bit floats: half the size, far below the noise of the training.
        model.save(out, half=True)
        manifest["sha256"] = weights_hash(out)
        manifest["licence"] = model.licence
        if drawn is not None:
            again = model.reconstruct(drawn)
            np.save(out / RECONSTRUCTIONS, np.round(255 * again).astype(np.uint8))
            error = float(((again - drawn) ** 2).mean())
            manifest["reconstruction_db"] = round(-10 * np.log10(error), 3)
            log(f"reconstruction {manifest['reconstruction_db']:.1f} dB")
    provenance.write_json(
        out / "manifest.json", {**manifest, "Versions": provenance.versions(*PACKAGES)}
    )


def _own_images(path):
    from neuro.encoding.preprocess import check_images

    return check_images(np.load(path), str(path))


def load_generator(folder, settings):
    """The generator that :func:`make_generator` made ready.

    Parameters
    ----------
    folder : path-like
    settings : dict

    Returns
    -------
    neuro.braindive.diffusion.generator.Generator

    Raises
    ------
    InputProblem
        When the user's weights are no longer those of the manifest.
    """
    from neuro.braindive.diffusion import kinds
    from neuro.braindive.diffusion.configs import read_json
    from neuro.braindive.diffusion.device import pick_device, pick_dtype
    from neuro.braindive.diffusion.tiny_ldm import TinyLDM

    manifest = read_json(Path(folder) / "manifest.json")
    if manifest["type"] == "tiny":
        return TinyLDM.load(folder)
    # In the type it runs in from the start: twice the memory is not asked for first.
    dtype = pick_dtype(settings["dtype"], pick_device(settings["device"]))
    own = settings["generator"]
    model = kinds.load(own["path"], manifest["type"], dtype, own["size"])
    if model.sha256 != manifest["sha256"]:
        raise InputProblem(f"{manifest['path']}: the weights changed; run again from the start")
    return model


def encode(role, given, out, settings, seed, log) -> None:
    """Fit one of the three models.

    Parameters
    ----------
    role : {'encoder', 'independent', 'category'}
    given : object
        `data`, `generator`.
    out : object
        `model`, `card`.
    settings : dict
    seed : int
    log : callable

    Raises
    ------
    InputProblem
        When the data cannot be read, or the category judge has no labels.
    """
    from neuro.encoding import VoxelEncoder, tiny
    from neuro.io.formats.tables import write_tsv

    data = _data(settings, next(iter(_inputs(given.data)), None))
    if role == "encoder" and settings["encoder"]["type"] != "fit":
        given_encoders.write_encoder(data, out, settings, log)
        return
    rows = data.share(role)
    drawn = None
    if len(_inputs(given.generator)):
        everything = np.load(Path(_inputs(given.generator)[0]) / RECONSTRUCTIONS, mmap_mode="r")
        positions = np.searchsorted(np.flatnonzero(~data.test), rows)
        drawn = everything[positions].astype(np.float32) / 255
    codes = None
    if data.condition is not None:
        codes = np.unique(data.condition, return_inverse=True)[1]
    log(f"{role}: {len(rows)} images, {len(data.unit)} voxels")
    if role == "category":
        fit_category(data, rows, drawn, out, settings, seed, log)
        return
    choice = settings[role]
    encoder = VoxelEncoder(
        choice["backbone"],
        choice["path"],
        choice.get("readout", "ridge"),
        n_augment=choice.get("n_augment", 1),
        antialias=choice.get("antialias", True),
        random_state=seed,
        device=fit_device(settings, choice["backbone"]),
    )
    encoder.fit(
        data.images[rows],
        data.betas[rows],
        unit=data.unit,
        roi=data.roi,
        labels=None if codes is None else codes[rows],
        sizes=None if data.sizes is None else data.sizes[rows],
        reconstructions=drawn,
        recipe=tiny.Recipe(epochs=choice["epochs"]),
        log=log,
    )
    encoder.save(out.model, role=role)
    tested = data.test[data.trial_image]
    shown = data.trial_image[tested]
    card = encoder.card(data.images[shown], data.trial_betas[tested], shown, data.ncsnr)
    card = card.assign(r2_cv=encoder.r2_cv_, r_cv=encoder.r_cv_)
    if data.condition is not None:
        from neuro.braindive.dataset import preferences

        for name, t in preferences(data.betas[rows], data.condition[rows]).items():
            card[f"t_{name}"] = t
    write_tsv(out.card, card)
    log(f"median R2 on test images {card['r2'].median():.3f}, features from {encoder.device}")


def objective_of(name, encoder, settings, table=(), card=None):
    """The objective of a name in the configuration.

    Parameters
    ----------
    name : str
    encoder : neuro.encoding.VoxelEncoder
    settings : dict
    table : sequence of path-like
        Table of objectives, if there is one.
    card : pandas.DataFrame, optional
        The guide's card, for objectives like `prefers:6`.

    Returns
    -------
    Objective

    Raises
    ------
    InputProblem
        When it names nothing that the encoder knows.
    """
    from neuro.io.formats.tables import read_tsv

    listed = []
    if len(table):
        table_rows = read_tsv(table[0], dtype=str)
        column = "objective" if "objective" in table_rows else "roi"
        listed = list(table_rows[column].dropna()) if column in table_rows else []
    if len(table) and (name in listed or name.startswith("table-")):
        return objectives.Objective.from_table(table[0], name, encoder.unit_)
    unit = encoder.unit_
    if name.startswith("prefers:") and card is not None:
        keep = ~(np.asarray(encoder.r_cv_) < settings["min_cv_r"])
        return objectives.Objective.from_preference(name, card, keep, settings["n_prefer"])
    if settings["min_cv_r"] > -1:
        # Voxels that are not predicted carry no weight.
        unit = [u if r >= settings["min_cv_r"] else "" for u, r in zip(unit, encoder.r_cv_)]
    return objectives.Objective.from_rois(
        parse(name),
        unit,
        given_encoders.with_parts(name, encoder, settings["n_sub_regions"]),
        name=name,
        allow_early=settings["early_areas"],
    )


def load_encoder(path, settings, role="encoder"):
    """An encoder that :func:`encode` wrote."""
    from neuro.encoding import VoxelEncoder

    return VoxelEncoder.load(path, given_encoders.weights_of(settings[role]))


def sample(wildcards, given, out, params, log) -> None:
    """Make the images of one block of one objective.

    Parameters
    ----------
    wildcards : object
        `objective`, `block`.
    given : object
        `encoder`, `card`, `generator`, `table`.
    out : path-like
        Table of the block's seeds; the images stand beside it.
    params : object
        `settings`, `names`, `seed`.
    log : callable

    Raises
    ------
    InputProblem
        When no seed gave a finite image. A refused objective is a row with its reason.
    """
    import pandas as pd

    from neuro.braindive.content_filter import make_filter
    from neuro.braindive.diffusion.edit import Edit
    from neuro.braindive.diffusion.light import check_light, make_light
    from neuro.braindive.diffusion.sampler import BrainGuidedSampler
    from neuro.braindive.seeds import BLOCK, make_block, write_refusal
    from neuro.io.formats.tables import read_tsv, write_tsv

    settings = params.settings
    encoder = load_encoder(given.encoder, settings)
    name = params.names[wildcards.objective]
    card = read_tsv(given.card, dtype={"voxel": str, "roi": str})
    try:
        objective = objective_of(name, encoder, settings, _inputs(given.table), card)
        objectives.check_quality(
            objective, card, min_voxels=settings["min_voxels"], min_r2=settings["min_r2"]
        )
    except InputProblem as problem:
        # One refused region is a row; the others go on. The last job ends where all are refused.
        reason = " / ".join(problem.problems)
        log(f"refused: {reason}")
        write_refusal(out, name, reason)
        return
    if objective.missing:
        log(f"{len(objective.missing)} units are not among the encoder's: {objective.missing[:5]}")
    generator = load_generator(given.generator, settings)
    sampler = BrainGuidedSampler(
        generator,
        encoder,
        objective,
        random_state=params.seed,
        log=log,
        edit=Edit.of_settings(settings["edit"], generator),
        **{key: settings[key] for key in SAMPLER},
    )
    if settings["device"] == "auto" and sampler.device == "cpu":
        log("no CUDA device is visible: images are made on the CPU")
    if sampler.steps != settings["steps"]:
        log(f"a model of few steps ({sampler.scheduler}): {sampler.steps} steps are made")
    first = int(wildcards.block) * settings["seed_block"]
    last = min(first + settings["seed_block"], settings["n_seeds"])
    facts: dict = {"versions": provenance.versions(*PACKAGES)}
    light = make_light(settings["guide_decoder"], generator, settings["guide_decoder_path"])
    if light:
        cosine = check_light(sampler, light, batch_size=settings["batch_size"])
        log(f"light decoder: cosine {cosine:.3f} with the exact gradient")
        facts["guide_decoder_cosine"], sampler.light = cosine, light
    content_filter = make_filter(settings)
    if content_filter is None:
        log("content filter: off, or no weights of one; images are not looked at")
    rows = make_block(
        sampler,
        Path(out).parent,
        range(first, last),
        batch_size=settings["batch_size"],
        best_of=settings["best_of"],
        facts=facts,
        content_filter=content_filter,
        log=log,
    )
    if not any(row["finite"] for row in rows):
        raise InputProblem(
            f"objective '{name}': no seed gave a finite image; use dtype float32 or a smaller value"
        )
    table = pd.DataFrame(rows).drop(columns="made").assign(refused="")
    own = {"verdict": objective.verdict, "n_voxels": len(objective.own_units)}
    write_tsv(out, table.assign(**own)[[*BLOCK, "refused"]])
    made = sum(row["made"] for row in rows)
    log(
        f"{made} images made, {len(rows) - made} kept; correction ratio "
        f"{table['correction_ratio'].mean():.3f}"
    )
