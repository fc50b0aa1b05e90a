"""Files of the stage: tensors with their axes, factors, surrogates."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from neuro.io.problems import InputProblem
from neuro.ntf.affinity.tensor import PairTensor
from neuro.ntf.communities.nulls import NullMotifs
from neuro.ntf.factors.entries import Entries

IN_MEMORY_BYTES = 2 << 30
"""Larger tensors are streamed from disk at every product."""
_TIME_MAP = ("start_s", "condition", "epoch", "offset_s", "on", "own")


def axes_path(values_path) -> Path:
    """File beside `tensor.npy` that holds its masks and axes."""
    return Path(values_path).with_name("axes.npz")


def write_axes(path, tensor: PairTensor) -> None:
    """Write everything of a tensor but its values.

    Parameters
    ----------
    path : path-like
        A `.npz` file.
    tensor : PairTensor
    """
    frames = tensor.frame_mask
    if frames is None:
        frames = np.ones(tensor.values.shape[:2], bool)
    entries: dict[str, Any] = {}
    if tensor.observed is not None:
        rows = Entries.of(tensor.observed)
        entries = {"entry_masks": np.packbits(rows.masks, axis=1), "entry_place": rows.place}
    np.savez_compressed(
        path,
        **entries,
        pair_mask=tensor.pair_mask,
        frame_mask=frames,
        names=np.array(tensor.names),
        animals=np.array(tensor.animals),
        fs=np.float64(tensor.fs),
        text=np.array(
            json.dumps(
                {
                    "kind": tensor.kind,
                    "sign": tensor.sign,
                    "time_alignment": tensor.time_alignment,
                    "silent": tensor.silent,
                    "unobserved": tensor.unobserved,
                    "notes": tensor.notes,
                }
            )
        ),
        **{name: tensor.time_map[name] for name in _TIME_MAP},
    )


def read_tensor(values_path, path) -> PairTensor:
    """A tensor as written by :func:`neuro.ntf.affinity.tensor.build_tensor` and :func:`write_axes`.

    Parameters
    ----------
    values_path : path-like
        The `.npy` file; read into memory up to 2 GB, else opened as a memory map.
    path : path-like
        Its axes.

    Returns
    -------
    PairTensor

    Raises
    ------
    InputProblem
        When a file is missing or they do not fit together.
    """
    tensor = read_axes(path)
    values = np.load(values_path, mmap_mode="r")
    if values.shape[1:] != tensor.pair_mask.shape:
        raise InputProblem(
            f"{values_path}: shape {values.shape} does not fit {path}; run ntf_tensor again"
        )
    if values.nbytes <= IN_MEMORY_BYTES:
        values = np.array(values)
    return dataclasses.replace(tensor, values=values)


def read_axes(path) -> PairTensor:
    """Masks and axes of a tensor, without its values.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    PairTensor
        `values` is empty.

    Raises
    ------
    InputProblem
        When the file is missing.
    """
    content, text = _open(path)
    frames = content["frame_mask"]
    observed = None
    if "entry_place" in content:
        n_pairs = content["pair_mask"].shape[1]
        masks = np.unpackbits(content["entry_masks"], axis=1, count=n_pairs).astype(bool)
        observed = Entries(masks, content["entry_place"]).full((*frames.shape, n_pairs))
    return PairTensor(
        values=np.zeros((0, *content["pair_mask"].shape), np.float32),
        pair_mask=content["pair_mask"],
        frame_mask=None if frames.all() else frames,
        names=[str(name) for name in content["names"]],
        animals=[str(name) for name in content["animals"]],
        fs=float(content["fs"]),
        time_map={name: content[name] for name in _TIME_MAP},
        observed=observed,
        **text,
    )


def _open(path):
    path = Path(path)
    if not path.exists():
        raise InputProblem(f"{path}: no such file")
    with np.load(path, allow_pickle=False) as file:
        content = {name: file[name] for name in file.files}
    return content, json.loads(str(content["text"]))


@dataclasses.dataclass(frozen=True)
class Factors:
    """A fitted model as it stands in `factors.npz`; the attributes of the models, and the axes.

    Attributes
    ----------
    model : {"tensor", "concatenated"}
    time_, animals_, pairs_, lambda_, unseen_, support_, background_, participation_
        As in :class:`neuro.ntf.factors.models.NonNegativeCP`.
    errors_, similarity_ : ndarray of float64, shape (n_starts,)
    names, animals : list of str
    frame_mask : ndarray of bool, shape (n_bins, n_animals)
    fs : float
        Bins per second.
    time_map : dict
        As in :class:`neuro.ntf.affinity.tensor.PairTensor`.
    kind, time_alignment : str
    signed_ : bool
        Whether `pairs_` holds both signs of every pair, see
        :func:`neuro.ntf.communities.detect.edges`.
    """

    model: str
    time_: np.ndarray
    animals_: np.ndarray
    pairs_: np.ndarray
    lambda_: np.ndarray
    unseen_: np.ndarray
    support_: np.ndarray
    background_: np.ndarray
    participation_: np.ndarray
    errors_: np.ndarray
    similarity_: np.ndarray
    names: list
    animals: list
    frame_mask: np.ndarray
    fs: float
    time_map: dict
    kind: str
    time_alignment: str
    signed_: bool = False

    @property
    def explained_(self) -> float:
        """Explained energy of the best start."""
        return float(1 - self.errors_.min() ** 2)


_ARRAYS = (
    "time_",
    "animals_",
    "pairs_",
    "lambda_",
    "unseen_",
    "support_",
    "background_",
    "participation_",
    "errors_",
    "similarity_",
)


def write_factors(path, model, tensor: PairTensor) -> None:
    """Write a fitted model with the axes of its tensor.

    Parameters
    ----------
    path : path-like
        A `.npz` file.
    model : NonNegativeCP or ConcatenatedNMF
    tensor : PairTensor
    """
    frames = tensor.frame_mask
    if frames is None:
        frames = np.ones(tensor.values.shape[:2], bool)
    np.savez(
        path,
        **{name.rstrip("_"): getattr(model, name) for name in _ARRAYS},
        history=model.history_,
        names=np.array(tensor.names),
        animal_names=np.array(tensor.animals),
        pair_index=np.column_stack(np.triu_indices(len(tensor.names), 1)),
        frame_mask=frames,
        fs=np.float64(tensor.fs),
        text=np.array(
            json.dumps(
                {
                    "model": model.kind,
                    "kind": tensor.kind,
                    "time_alignment": tensor.time_alignment,
                    "signed_": tensor.signed,
                }
            )
        ),
        **{name: tensor.time_map[name] for name in _TIME_MAP},
    )


def read_factors(path) -> Factors:
    """Read what :func:`write_factors` wrote.

    Raises
    ------
    InputProblem
        When the file is missing.
    """
    content, text = _open(path)
    return Factors(
        **{name: content[name.rstrip("_")] for name in _ARRAYS},
        names=[str(name) for name in content["names"]],
        animals=[str(name) for name in content["animal_names"]],
        frame_mask=content["frame_mask"],
        fs=float(content["fs"]),
        time_map={name: content[name] for name in _TIME_MAP},
        **text,
    )


def write_nulls(path, null: NullMotifs) -> None:
    """Write the motifs of surrogates."""
    np.savez(path, motifs=null.motifs, run=null.run, explained=null.explained, null=null.null)


def read_nulls(paths) -> NullMotifs | None:
    """Join the surrogates of several files; None where there are none."""
    parts, offset, kinds = [], 0, set()
    for path in paths:
        with np.load(path, allow_pickle=False) as file:
            parts.append((file["motifs"], file["run"] + offset, file["explained"]))
            kinds.add(str(file["null"]))
        offset += len(parts[-1][2])
    if not parts:
        return None
    if len(kinds) > 1:
        raise InputProblem(f"{paths[0]}: surrogates of two kinds ({', '.join(sorted(kinds))})")
    motifs, run, explained = (np.concatenate(column) for column in zip(*parts))
    return NullMotifs(motifs, run, explained, kinds.pop())
