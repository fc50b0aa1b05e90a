"""Encoders that come fitted, and parts of regions: what the settings name instead of a fit here."""

from __future__ import annotations

import re

import numpy as np

from neuro.braindive.dataset import BETWEEN, in_region, preferences, regions
from neuro.braindive.judging import sub_regions
from neuro.io.problems import InputProblem

UNKNOWN = ("r2", "r2_ceiling", "ncsnr", "alpha", "r2_cv", "r_cv")
"""What nobody knows of a voxel without images that its encoder never saw."""
PART = re.compile(r"sub:(.+?):(\d+)")


def write_encoder(data, out, settings, log) -> None:
    """Take over an encoder that others fitted.

    Parameters
    ----------
    data : neuro.braindive.dataset.ImageData or None
        Without data, the card holds names only.
    out : object
        `model`, `card`.
    settings : dict
        Section `braindive`.
    log : callable

    Raises
    ------
    InputProblem
        When the encoder cannot be read, or shares no voxel with the data.
    """
    import pandas as pd

    from neuro.encoding.assembled import keep
    from neuro.encoding.fitted import fitted_encoder
    from neuro.io.formats.tables import write_tsv

    choice = settings["encoder"]
    encoder = fitted_encoder(choice)
    if settings["rois"]:
        encoder.roi_ = regions(settings["rois"], encoder.unit_, encoder.roi_, [])
    if settings["rois"] and choice["type"] == "berg":
        # a whole brain of vertices: those of no region serve nothing
        keep(encoder, [k for k, roi in enumerate(encoder.roi_) if roi != "none"])
    log(
        f"guide of type {choice['type']}: {encoder.coef_.shape[1]} features of "
        f"{encoder.backbone_.name}, {len(encoder.unit_)} voxels"
    )
    if data is None:
        log("no responses were measured: nobody can say how well it predicts")
        names = {"voxel": encoder.unit_, "roi": encoder.roi_}
        card = pd.DataFrame({**names, **dict.fromkeys(UNKNOWN, np.nan)})
    else:
        card = _card(encoder, data, log)
    encoder.save(out.model, role="encoder")
    write_tsv(out.card, card)


def _card(encoder, data, log):
    """Quality on the test images; voxels that the data lack are left out.

    Voxels without names, as many as the responses have, are taken in their order.
    """
    from neuro.encoding.assembled import keep

    nameless = encoder.unit_ == [f"v{k:05d}" for k in range(len(encoder.unit_))]
    if nameless and len(encoder.unit_) == len(data.unit) and encoder.unit_ != data.unit:
        log("its voxels have no names: they are taken in the order of the responses")
        encoder.unit_, encoder.roi_ = list(data.unit), list(data.roi)
    column_of = {name: k for k, name in enumerate(data.unit)}
    rows = [k for k, name in enumerate(encoder.unit_) if name in column_of]
    if not rows:
        raise InputProblem(
            f"braindive.encoder: none of its {len(encoder.unit_)} voxels (first: "
            f"{encoder.unit_[0]}) is among those of the responses (first: {data.unit[0]})"
        )
    if len(rows) < len(encoder.unit_):
        log(f"{len(encoder.unit_) - len(rows)} voxels have no measured responses and are left out")
        keep(encoder, rows)
    own = [column_of[name] for name in encoder.unit_]
    tested = data.test[data.trial_image]
    card = encoder.card(
        data.images[data.trial_image[tested]],
        data.trial_betas[tested][:, own],
        data.trial_image[tested],
        None if data.ncsnr is None else data.ncsnr[own],
    )
    card = card.assign(r2_cv=encoder.r2_cv_, r_cv=encoder.r_cv_)
    if data.condition is not None:
        seen = data.share("encoder")
        for name, t in preferences(data.betas[seen][:, own], data.condition[seen]).items():
            card[f"t_{name}"] = t
    log(f"median R2 on test images {card['r2'].median():.3f}; the guide may have seen them")
    return card


def weights_of(choice):
    """What an encoder's file leaves out: a folder, a network's file or a module.

    Parameters
    ----------
    choice : dict
        `path`, and for a module `module`.
    """
    named = [choice[key] for key in ("module", "path") if key in choice]
    return next(filter(None, named), None)


def with_parts(name, encoder, n_parts) -> list[str]:
    """Regions of the voxels, the parts named in an objective among them.

    Parameters
    ----------
    name : str
        Objective in words; `sub:FFA:1` is the largest of the parts of region FFA.
    encoder : neuro.encoding.VoxelEncoder
    n_parts : int

    Returns
    -------
    list of str
        As `encoder.roi_`, and `sub:FFA:1` besides for the voxels of that part.

    Raises
    ------
    InputProblem
        When the region is unknown or too small, or there are fewer parts.
    """
    roi = [str(entry) for entry in encoder.roi_]
    n_parts = int(n_parts)
    wanted = {(region.strip(), int(number)) for region, number in PART.findall(name)}
    for region, number in sorted(wanted):
        rows = np.flatnonzero(in_region(encoder.roi_, region))
        if not len(rows):
            raise InputProblem(f"objective '{name}': no region '{region}'")
        if not 1 <= number <= n_parts:
            raise InputProblem(
                f"objective '{name}': parts 1 to {n_parts} are made (braindive.n_sub_regions)"
            )
        labels = sub_regions(encoder.coef_[rows], n_parts)
        sizes = np.bincount(labels, minlength=n_parts)
        chosen = np.argsort(-sizes, kind="stable")[number - 1]
        for k in rows[labels == chosen]:
            roi[k] += f"{BETWEEN}sub:{region}:{number}"
    return roi
