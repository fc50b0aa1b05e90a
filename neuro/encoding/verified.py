"""Networks of the user's own: loaded from code that the settings name, tested by their answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

MATCH = 1e-4
"""Largest difference from stored predictions, relative to their range."""
LEAST = 5
"""Stored predictions that can tell networks apart at all."""


def stored_predictions(path) -> tuple[np.ndarray, np.ndarray]:
    """Stimuli and what the twin gave to them where it was trained.

    Parameters
    ----------
    path : path-like
        `.npz` with `images` (n, ...) and `predictions` (n, n_units).

    Raises
    ------
    ValueError
        When the file cannot be read, lacks an array, or the arrays do not fit.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            content = {key: file[key] for key in file.files}
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: not a readable .npz file ({str(error)[:50]})") from None
    absent = [key for key in ("images", "predictions") if key not in content]
    if absent:
        raise ValueError(f"{path}: no array '{absent[0]}'; found {', '.join(content) or 'nothing'}")
    images, predictions = content["images"], content["predictions"]
    if predictions.ndim != 2 or len(images) != len(predictions):
        raise ValueError(
            f"{path}: images of shape {images.shape}, predictions of shape {predictions.shape}; "
            "expected (n, ...) and (n, n_units)"
        )
    if len(images) < LEAST or not np.isfinite(predictions).all():
        raise ValueError(
            f"{path}: {len(images)} predictions, expected at least {LEAST}, all finite"
        )
    return np.asarray(images, np.float32), np.asarray(predictions, np.float64)


def difference(predicted, stored) -> float:
    """Largest difference, relative to the range of what is stored; inf where it is not finite."""
    stored = np.asarray(stored, np.float64)
    span = float(np.ptp(stored))
    worst = float(np.abs(np.asarray(predicted, np.float64) - stored).max())
    return worst / span if span > 0 and np.isfinite(worst) else float("inf")


def load_module(module, kwargs):
    """The module that a setting names, in evaluation mode, weights frozen.

    Parameters
    ----------
    module : str
        `file.py:function`, which returns a `torch.nn.Module`, or a TorchScript file. The code is
        run: name only what you trust.
    kwargs : dict

    Raises
    ------
    ValueError
    """
    import importlib.util

    import torch

    path, _, name = str(module).rpartition(":")
    if not path:
        path, name = str(module), ""
    if not Path(path).is_file():
        raise ValueError(f"{module}: no such file: {path}")
    try:
        if name:
            spec = importlib.util.spec_from_file_location(f"own_{Path(path).stem}", path)
            if spec is None or spec.loader is None:
                raise ValueError("not a Python file")
            module_found = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module_found)
            model = getattr(module_found, name)(**kwargs)
        else:
            model = torch.jit.load(path, map_location="cpu")
    except Exception as error:
        reason = str(error).strip().splitlines()[-1][:80] if str(error).strip() else ""
        raise ValueError(
            f"{module}: could not be loaded ({type(error).__name__}: {reason}); expected "
            "file.py:function or a TorchScript file"
        ) from None
    if not isinstance(model, torch.nn.Module):
        raise ValueError(f"{module}: gave {type(model).__name__}, expected a torch.nn.Module")
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model


def verify(respond, images, predictions, name, n_units=None) -> None:
    """Refuse a twin that is not what it is said to be.

    Parameters
    ----------
    respond : callable
        Tensor (n, ...) -> tensor (n, n_units).
    images : array, shape (n, ...)
    predictions : array, shape (n, n_units)
    name : str
        For messages.
    n_units : int, optional

    Raises
    ------
    ValueError
        When two calls differ, when an answer depends on the other images of a batch, when the
        largest difference from the stored predictions is above :data:`MATCH` of their range, or
        when there is no gradient.
    """
    import torch

    x = torch.as_tensor(images)
    try:
        with torch.no_grad():
            first, second = respond(x), respond(x)
            alone = torch.cat([respond(x[k : k + 1]) for k in range(min(3, len(x)))])
            turned = respond(x.flip(0)).flip(0)
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:80] if str(error).strip() else ""
        raise ValueError(
            f"{name}: does not take the stored images of shape {tuple(x.shape)} "
            f"({type(error).__name__}: {reason})"
        ) from None
    if tuple(first.shape) != predictions.shape:
        raise ValueError(
            f"{name}: gives {tuple(first.shape)}, the stored predictions are {predictions.shape}"
        )
    if n_units is not None and first.shape[1] != n_units:
        raise ValueError(f"{name}: gives {first.shape[1]} units, the recording has {n_units}")
    if not torch.equal(first, second):
        raise ValueError(f"{name}: two calls with the same images differ; turn sampling off")
    span = float(np.ptp(predictions)) or 1.0
    apart = max(
        float((alone - first[: len(alone)]).abs().max()), float((turned - first).abs().max())
    )
    # Batches of other sizes are summed in another order: rounding is no dependence.
    if not apart <= MATCH / 10 * span:
        raise ValueError(
            f"{name}: the answer to an image depends on the others of its batch ({apart / span:.1e}"
            " of the range); use evaluation mode of batch normalisation"
        )
    worst = difference(first.numpy(), predictions)
    if not worst <= MATCH:
        raise ValueError(
            f"{name}: differs from the stored predictions by {worst:.1e} of their range, expected "
            f"at most {MATCH:g}"
        )
    probe = x[:2].clone().requires_grad_()
    try:
        (slope,) = torch.autograd.grad(respond(probe).sum(), probe)
    except RuntimeError:
        slope = torch.zeros(1)
    if not (torch.isfinite(slope).all() and (slope != 0).any()):
        raise ValueError(f"{name}: no gradient with respect to the image; do not detach it")
