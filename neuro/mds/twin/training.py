"""Training of the image twin."""

from __future__ import annotations

import numpy as np

from neuro.mds.twin.core import unit_correlation


def train(twin, x, y, x_check, y_check, log=None) -> list[dict]:
    """Fit the state of a twin in place; ends with the best epoch's state.

    Parameters
    ----------
    twin : Twin
    x, y : ndarray
        Training stimuli without offset (n, c, h, w), and scaled responses (n, n_units).
    x_check, y_check : ndarray
        For early stopping.
    log : callable, optional

    Returns
    -------
    list of dict
        epoch, loss, validation (mean correlation).
    """
    import torch

    device = twin.device
    generator = torch.Generator().manual_seed(twin.random_state)
    x, y = torch.as_tensor(x, device=device), torch.as_tensor(y, device=device)
    x_check = torch.as_tensor(x_check, device=device)
    learned = [key for key in twin.state_ if "running" not in key]
    for key in learned:
        twin.state_[key].requires_grad_()
    optimiser = torch.optim.AdamW(_groups(twin, learned), betas=(0.9, 0.999))
    n_batches = -(-len(x) // twin.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        max_lr=[group["lr"] for group in optimiser.param_groups],
        total_steps=n_batches * twin.epochs,
    )
    history, best, kept = [], -np.inf, None
    for epoch in range(twin.epochs):
        order = torch.randperm(len(x), generator=generator).to(device)
        total = 0.0
        for rows in order.split(twin.batch):
            optimiser.zero_grad(set_to_none=True)
            total += _step(twin, x[rows], y[rows]) * len(rows)
            optimiser.step()
            schedule.step()
        with torch.no_grad():
            guess = torch.cat([twin._forward(block) for block in x_check.split(250)]).cpu().numpy()
        level = float(unit_correlation(guess, y_check).mean())
        history.append({"epoch": epoch + 1, "loss": float(total) / len(x), "validation": level})
        if not np.isfinite(history[-1]["loss"]):
            raise ValueError(f"training diverged in epoch {epoch + 1}; lower the learning rate")
        if log:
            log(f"epoch {epoch + 1}: loss {history[-1]['loss']:.3f}, validation {level:.4f}")
        if level > best:
            best, stale = level, 0
            kept = {key: value.detach().clone() for key, value in twin.state_.items()}
        else:
            stale += 1
            if stale >= twin.patience:
                break
    twin.state_ = kept
    return history


def _step(twin, x, y):
    """Gradients of one batch of images, some units at a time; returns the loss.

    The core is passed once: its features collect the gradients of all units first.
    """
    import torch

    features, place = twin._core(x, training=len(x) > 1)
    leaf = features.detach().requires_grad_()
    total = torch.zeros((), device=x.device)
    for first in range(0, y.shape[1], twin.unit_batch):
        units = slice(first, first + twin.unit_batch)
        rate = twin._readout(leaf, place, units)
        loss = (rate - y[:, units] * (rate + 1e-8).log()).sum(dim=1).mean()
        loss = loss + twin.l1 * twin.state_["readout.weights"][:, units].abs().sum()
        loss.backward()
        total += loss.detach()
    features.backward(leaf.grad)
    return total


def _groups(twin, learned):
    """Learning rates and decay by part; positions move faster."""
    state = twin.state_
    core = [state[key] for key in learned if key.startswith("core.")]
    place = [state[key] for key in ("readout.mu", "readout.log_sigma")]
    rest = [state[key] for key in ("readout.weights", "readout.bias")]
    return [
        {"params": core, "lr": twin.lr, "weight_decay": twin.weight_decay},
        {"params": rest, "lr": twin.lr, "weight_decay": 0.0},
        {"params": place, "lr": twin.lr_position, "weight_decay": 0.0},
    ]
