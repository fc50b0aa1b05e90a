"""Every way to run a network that its weights allow, and the one that gives stored predictions."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from neuro.encoding.verified import LEAST, MATCH, difference
from neuro.mds.twin import inferred

SHIFTS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.5))
"""Shifts of the ELU along x and y that are tried."""


def stacks(network, width):
    """Layers whose channels, taken together, are as many as the readout takes."""
    n, layers = network.n_layers, []
    for first, last in itertools.combinations(range(n + 1), 2):
        if sum(network.width(k) for k in range(first, last)) == width:
            layers.append(tuple(range(first, last)))
    return layers


def _cores(network, sizes):
    """Options of the core, without those that leave no pixel."""
    n = network.n_layers
    bends = [(True, True, (0.0, 0.0))]
    bends += [(False, last, shift) for last in (True, False) for shift in SHIFTS]
    if n == 1:
        bends = [b for b in bends if b[1] or b[2] == (0.0, 0.0)]
    seen = set()
    many = (1, 2) if n > 1 else (1,)
    for pad, stride, dilation in itertools.product((True, False), many, many):
        spans = [(network.kernel(k) - 1) * dilation + 1 for k in range(1, n)]
        choices = {
            tuple(span // 2 for span in spans),
            tuple(spans[0] // 2 for _ in spans),
            (0,) * (n - 1),
        }
        for padding in sorted(choices):
            side = min(sizes) - (0 if pad else network.kernel(0) - 1)
            for k, span in enumerate(spans):
                side = (side + 2 * padding[k] - span) // stride + 1 if side > 0 else 0
            if side < 1 or (pad, padding, stride, dilation) in seen:
                continue
            seen.add((pad, padding, stride, dilation))
            for linear, last, shift in bends:
                yield inferred.Options(pad, padding, stride, dilation, linear, last, shift)


def _heads(network, core, n_units, sizes):
    """Options of readouts for one core."""
    for session, head in network.readouts.items():
        weights = head["weights"]
        if n_units is not None and weights.shape[1] != n_units:
            continue
        shifts = (False, True) if session in network.shifters else (False,)
        tanhs = (False,) if "mu" in head else (False, True)
        pooled = head["pooled"]
        widths = [(len(weights), 0)]
        if pooled:
            widths += [
                (len(weights) // pools, kern)
                for pools in range(2, 5)
                for kern in (2, 3, 4, 5)
                if len(weights) % pools == 0 and min(sizes) >= kern ** (pools - 1)
            ]
        for width, kern in widths:
            for stack in stacks(network, width):
                for align, shift, tanh, output in itertools.product(
                    (True, False), shifts, tanhs, inferred.OUTPUTS
                ):
                    yield dataclasses.replace(
                        core,
                        stack=stack,
                        align_corners=align,
                        final_tanh=tanh,
                        shifter=shift,
                        pool_kern=kern,
                        output=output,
                        session=session,
                    )


def infer(network, images, predictions, seed=0) -> inferred.Options:
    """The one set of options with which the network gives the stored predictions.

    Parameters
    ----------
    network : neuro.mds.twin.inferred.Network
    images : array, shape (n, c, h, w)
    predictions : array, shape (n, n_units)
        What the network gave to them where it was trained, in evaluation mode.
    seed : int, default 0
        Of the new images on which candidates that match are compared.

    Returns
    -------
    neuro.mds.twin.inferred.Options

    Raises
    ------
    ValueError
        When none matches, or several that differ on new images.
    """
    import torch

    images, predictions = np.asarray(images, np.float32), np.asarray(predictions)
    if images.ndim != 4 or predictions.ndim != 2 or len(images) != len(predictions):
        raise ValueError(
            f"images of shape {images.shape} and predictions of shape {predictions.shape}, "
            "expected (n, c, h, w) and (n, n_units)"
        )
    if len(images) < LEAST:
        raise ValueError(f"{len(images)} stored predictions, expected at least {LEAST}")
    x, sizes = torch.as_tensor(images), images.shape[2:]
    matches = []
    with torch.no_grad():
        for core in _cores(network, sizes):
            try:
                outputs = inferred.features(network, x, core)
            except RuntimeError:
                # A skip connection joins maps of one size only.
                continue
            for options in _heads(network, core, predictions.shape[1], sizes):
                try:
                    y = inferred.read(
                        network, outputs, options, inferred.positions(network, options)
                    )
                except RuntimeError:
                    # Layers of different sizes cannot be stacked, small maps not be pooled.
                    continue
                if difference(y.numpy(), predictions) <= MATCH:
                    matches.append(options)
        if not matches:
            raise ValueError(
                "no combination of padding, strides, nonlinearities, stack, corners and output "
                "gives the stored predictions; use mds.twin.type 'module' with your own loader"
            )
        scale = 2 * float(np.sqrt(np.mean(images.astype(np.float64) ** 2))) or 1.0
        noise = torch.randn((50, *images.shape[1:]), generator=torch.Generator().manual_seed(seed))
        noise = noise * scale
        first = inferred.respond(network, noise, matches[0]).numpy()
        for other in matches[1:]:
            if difference(inferred.respond(network, noise, other).numpy(), first) > MATCH:
                names = [
                    field.name
                    for field in dataclasses.fields(inferred.Options)
                    if getattr(other, field.name) != getattr(matches[0], field.name)
                ]
                raise ValueError(
                    f"the stored predictions do not tell apart {', '.join(names)}; store more of "
                    "them, to images of more contrast"
                )
    return matches[0]
