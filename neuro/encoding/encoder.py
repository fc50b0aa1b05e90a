"""Predict voxel responses from images: a frozen backbone and a linear readout."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import ClassVar

import numpy as np

from neuro.base.estimator import Params
from neuro.encoding.ridge import ALPHAS
from neuro.io.problems import InputProblem

READOUTS = ("ridge", "adamw_reference")


class VoxelEncoder(Params):
    """Voxel responses as a linear function of image features.

    Parameters
    ----------
    backbone : {'clip', 'tiny', 'tiny_cnn', 'pixels', 'gabor'} or Backbone
        Frozen features. The small networks are trained by `fit` unless `backbone_path` holds
        weights. `clip` reads a local folder and scales its embedding to length 1 (Luo et al.
        2023).
    backbone_path : path-like, optional
        Folder of CLIP weights or file of a small network.
    readout : {'ridge', 'adamw_reference'}
        Ridge with a penalty per voxel (ours) or the optimiser of the released code.
    alphas : sequence of float
        Penalties of the ridge, relative to the mean eigenvalue of the features' scatter.
    cv : int
        Folds, by image.
    n_augment : int
        Copies of every image whose features are kept. For the ridge all but the first are shifted
        and brightened; `adamw_reference` takes a random one per epoch, with 0 new ones.
    antialias : bool
        Resizing with antialias (ours) or without (released code).
    batch : int
        Images per forward pass.
    random_state : int
    device : str
        Where `fit` and what follows compute features of a network; the readout is fitted on the
        CPU.

    Attributes
    ----------
    coef_ : ndarray of float32, shape (n_voxels, n_features)
    intercept_ : ndarray of float32, shape (n_voxels,)
    alpha_, r2_cv_, r_cv_ : ndarray, shape (n_voxels,)
        Penalty, held-out R2 and held-out correlation on the fitted images; NaN for
        `adamw_reference`.
    backbone_ : Backbone
    card_ : pandas.DataFrame
        voxel, roi, r2, r2_ceiling, alpha; made by :meth:`card`.
    unit_, roi_ : list of str

    References
    ----------
    Luo, Henderson, Wehbe, Tarr (2023). Brain Diffusion for Visual Exploration. NeurIPS.
    """

    _tags: ClassVar = {"input_tags.two_d_array": False, "target_tags.required": True}
    header_: dict

    def __init__(
        self,
        backbone="clip",
        backbone_path=None,
        readout="ridge",
        alphas=ALPHAS,
        cv=5,
        n_augment=1,
        antialias=True,
        batch=256,
        random_state=0,
        device="cpu",
    ):
        self.backbone = backbone
        self.backbone_path = backbone_path
        self.readout = readout
        self.alphas = alphas
        self.cv = cv
        self.n_augment = n_augment
        self.antialias = antialias
        self.batch = batch
        self.random_state = random_state
        self.device = device

    def __sklearn_clone__(self):
        return type(self)(**self.get_params(deep=False))  # a backbone is shared, not copied

    def fit(
        self,
        images,
        betas,
        groups=None,
        *,
        unit=None,
        roi=None,
        labels=None,
        sizes=None,
        reconstructions=None,
        recipe=None,
        log=None,
    ):
        """Fit the readout, and the backbone where it is a small one without weights.

        Parameters
        ----------
        images : array, shape (n, c, h, w)
            float in [0, 1] or uint8.
        betas : array, shape (n, n_voxels)
            z-scored and averaged over the repeats of an image, see
            :mod:`neuro.encoding.targets`.
        groups : sequence, length n, optional
            Image of each row; rows of one image share a fold. Default: all differ.
        unit, roi : sequence of str, length n_voxels, optional
            Names and regions of the voxels.
        labels, sizes, reconstructions, recipe
            For the small networks, see :func:`neuro.encoding.tiny.train`.
        log : callable, optional
            Gets one line per step.

        Returns
        -------
        self

        Raises
        ------
        InputProblem
            When images and betas do not fit together, values lie outside [0, 1], there are too
            few images, or weights are missing.
        """
        from neuro.encoding.adamw import fit_adamw
        from neuro.encoding.augment import augmented_features, minibatches
        from neuro.encoding.preprocess import check_betas, check_images
        from neuro.encoding.ridge import fit_ridge

        if self.readout not in READOUTS:
            raise InputProblem(f"readout: got '{self.readout}', expected {' or '.join(READOUTS)}")
        images = check_images(images)
        betas = check_betas(betas, len(images))
        n_voxels = betas.shape[1]
        self.unit_ = [str(name) for name in (range(n_voxels) if unit is None else unit)]
        self.roi_ = ["all"] * n_voxels if roi is None else [str(name) for name in roi]
        for name, values in (("unit", self.unit_), ("roi", self.roi_)):
            if len(values) != n_voxels:
                raise InputProblem(f"{name}: {len(values)} values for {n_voxels} voxels")
        self.backbone_ = self._backbone(images, betas, labels, sizes, reconstructions, recipe, log)
        self.backbone_.to(self.device)
        groups = np.arange(len(images)) if groups is None else np.asarray(groups)
        if len(groups) != len(images):
            raise InputProblem(f"groups: {len(groups)} values for {len(images)} images")
        if self.readout == "ridge":
            n = self.n_augment
            X = augmented_features(self, images, n, self.random_state)
            Y, who = np.tile(betas, (n, 1)), np.tile(groups, n)
            fitted = fit_ridge(
                X, Y, who, alphas=self.alphas, cv=self.cv, random_state=self.random_state
            )
        else:
            rows = minibatches(self.backbone_, images, self.n_augment, self.random_state)
            fitted = fit_adamw(rows, betas, random_state=self.random_state)
        self.coef_, self.intercept_ = fitted.coef, fitted.intercept
        self.alpha_, self.r2_cv_, self.r_cv_ = fitted.alpha, fitted.r2_cv, fitted.r_cv
        self.channels_ = images.shape[1]
        if log:
            log(f"{self.backbone_.name}: {self.coef_.shape[1]} features, {n_voxels} voxels")
        return self

    def _backbone(self, images, betas, labels, sizes, reconstructions, recipe, log):
        from neuro.encoding import backbones, tiny

        if not isinstance(self.backbone, str):
            return self.backbone
        name = backbones.ALIASES.get(self.backbone, self.backbone)
        if name in ("tiny", "tiny_cnn") and self.backbone_path is None:
            return tiny.train(
                name,
                images,
                labels=labels,
                sizes=sizes,
                responses=betas,
                reconstructions=reconstructions,
                recipe=recipe,
                random_state=self.random_state,
                log=log,
            )[0]
        return backbones.make(name, images.shape, self.backbone_path, antialias=self.antialias)

    def features(self, images) -> np.ndarray:
        """Features of images.

        Parameters
        ----------
        images : array, shape (n, c, h, w)
            float32 in [0, 1].

        Returns
        -------
        ndarray of float32, shape (n, n_features)
        """
        import torch

        from neuro.encoding.preprocess import check_images

        # Piece by piece, so that pictures may stay in their files.
        images = images if hasattr(images, "__getitem__") else np.asarray(images)
        batches = []
        with torch.no_grad():
            for start in range(0, len(images), self.batch):
                x = torch.as_tensor(check_images(images[start : start + self.batch]))
                x = x.to(self.backbone_.device)
                batches.append(self.backbone_.features(x).float().cpu().numpy())
        return np.concatenate(batches)

    def predict(self, images) -> np.ndarray:
        """Predicted responses.

        Parameters
        ----------
        images : array, shape (n, c, h, w)

        Returns
        -------
        ndarray of float32, shape (n, n_voxels)
        """
        self._check_fitted("coef_")
        return self.features(images) @ self.coef_.T + self.intercept_

    def score(self, images, betas) -> float:
        """Mean of :meth:`r2` over voxels.

        Parameters
        ----------
        images : array, shape (n, c, h, w)
        betas : array, shape (n, n_voxels)

        Returns
        -------
        float
        """
        return float(self.r2(images, betas).mean())

    def r2(self, images, betas) -> np.ndarray:
        """R2 per voxel on images that were not fitted.

        Parameters
        ----------
        images : array, shape (n, c, h, w)
        betas : array, shape (n, n_voxels)

        Returns
        -------
        ndarray, shape (n_voxels,)
        """
        betas = np.asarray(betas, dtype=np.float64)
        error = ((betas - self.predict(images)) ** 2).sum(axis=0)
        total = ((betas - betas.mean(axis=0)) ** 2).sum(axis=0)
        return 1 - error / np.where(total > 0, total, np.inf)

    def card(self, images, betas, groups=None, ncsnr=None):
        """Quality of every voxel on test images, which must not have been fitted.

        Parameters
        ----------
        images : array, shape (n_trials, c, h, w)
        betas : array, shape (n_trials, n_voxels)
        groups : sequence, length n_trials, optional
            Image of each trial. Repeats are averaged and give the noise ceiling.
        ncsnr : array, shape (n_voxels,), optional
            Signal-to-noise ratio that is known from elsewhere, as NSD publishes it; it is used in
            place of the repeats' own.

        Returns
        -------
        pandas.DataFrame
            voxel, roi, r2, r2_ceiling (R2 as a share of the noise ceiling; NaN without
            repeats), ncsnr, alpha. Also kept as `card_`.
        """
        import pandas as pd

        from neuro.encoding.targets import (
            average_repeats,
            ceiling_of,
            noise_ceiling,
            signal_to_noise,
        )

        groups = np.arange(len(images)) if groups is None else np.asarray(groups)
        mean, first, count = average_repeats(betas, groups)
        r2 = self.r2(np.asarray(images)[first], mean)
        ceiling = noise_ceiling(betas, groups)
        ratio = signal_to_noise(betas, groups)
        if ncsnr is not None:
            ratio = np.asarray(ncsnr, dtype=np.float64)
            ceiling = np.where(np.isfinite(ratio), ceiling_of(ratio, count), ceiling)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(ceiling > 0.01, r2 / ceiling, np.nan)
        self.card_ = pd.DataFrame(
            {
                "voxel": self.unit_,
                "roi": self.roi_,
                "r2": r2,
                "r2_ceiling": share,
                "ncsnr": ratio,
                "alpha": self.alpha_,
            }
        )
        return self.card_

    def save(self, path, **fields) -> Path:
        """Write readout, settings and small backbones as safetensors.

        Parameters
        ----------
        path : path-like
        **fields
            Plain values for the header.

        Returns
        -------
        pathlib.Path
        """
        import torch
        from safetensors.torch import save_file

        tensors = {f"net.{k}": v.cpu().contiguous() for k, v in self.backbone_.state().items()}
        for name in ("coef", "intercept", "alpha", "r2_cv", "r_cv"):
            tensors[name] = torch.as_tensor(np.array(getattr(self, f"{name}_"), order="C"))
        header = {
            **fields,
            "backbone": self.backbone_.settings(),
            "unit": self.unit_,
            "roi": self.roi_,
            "readout": self.readout,
            "channels": self.channels_,
        }
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, path, {"neuro": json.dumps(header, sort_keys=True)})
        return path

    @classmethod
    def load(cls, path, backbone_path=None) -> VoxelEncoder:
        """Read an encoder that :meth:`save` wrote.

        Parameters
        ----------
        path : path-like
        backbone_path : path-like, optional
            Folder of CLIP weights, which are not part of the file.

        Returns
        -------
        VoxelEncoder

        Raises
        ------
        InputProblem
            When a file is missing, of another kind, or the weights differ from those fitted.
        """
        from neuro.encoding import backbones, tiny

        header, tensors = tiny.read(path)
        settings = header["backbone"]
        encoder = cls(
            settings["name"], backbone_path, header["readout"], antialias=settings["antialias"]
        )
        encoder.backbone_ = backbones.restore(settings, tiny.part(tensors, "net."), backbone_path)
        for name in ("coef", "intercept", "alpha", "r2_cv", "r_cv"):
            setattr(encoder, f"{name}_", tensors[name].numpy())
        encoder.unit_, encoder.roi_ = header["unit"], header["roi"]
        encoder.channels_, encoder.header_ = header["channels"], header
        return encoder

    def fingerprint(self) -> str:
        """SHA-256 over readout, backbone settings and weights.

        Returns
        -------
        str
            Hexadecimal; the same for the same encoder.
        """
        digest = hashlib.sha256(json.dumps(self.backbone_.settings(), sort_keys=True).encode())
        for name, value in sorted(self.backbone_.state().items()):
            digest.update(name.encode() + value.cpu().numpy().tobytes())
        digest.update(self.coef_.tobytes() + self.intercept_.tobytes())
        return digest.hexdigest()


__all__ = ["READOUTS", "VoxelEncoder"]
