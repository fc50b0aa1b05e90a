"""Self-attention guidance: blur what the UNet attends to, and steer away from the result."""

from __future__ import annotations

import contextlib

from neuro.io.problems import InputProblem


class _Keep:
    """Attention that also keeps how much each place was attended to; nothing with a graph."""

    def __init__(self):
        self.received = None

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, **_):
        states = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query = attn.head_to_batch_dim(attn.to_q(hidden_states))
        key = attn.head_to_batch_dim(attn.to_k(states))
        value = attn.head_to_batch_dim(attn.to_v(states))
        weights = attn.get_attention_scores(query, key, attention_mask)
        # Mean over heads, then the sum over queries: one number per place that is looked at.
        heads = weights.detach().unflatten(0, (-1, attn.heads))
        self.received = heads.mean(dim=1).sum(dim=1).float()
        mixed = attn.batch_to_head_dim(weights @ value)
        return attn.to_out[1](attn.to_out[0](mixed))


def _mid_block_attention(unet):
    attentions = getattr(unet.mid_block, "attentions", None) or []
    blocks = [block for module in attentions for block in getattr(module, "transformer_blocks", [])]
    if not blocks:
        raise InputProblem("sag_scale: this UNet has no attention in its middle block; set it to 0")
    # The last layer, as in the released code.
    return blocks[-1].attn1


@contextlib.contextmanager
def kept_attention(unet):
    """Keep the last mid-block self-attention while the context is open; then restore the UNet.

    Parameters
    ----------
    unet : torch.nn.Module

    Yields
    ------
    object
        Its `received` is (n, n_places) after a forward pass.

    Raises
    ------
    InputProblem
        When the UNet has no such layer.
    """
    layer = _mid_block_attention(unet)
    before, keep = layer.processor, _Keep()
    layer.processor = keep
    try:
        yield keep
    finally:
        layer.processor = before
        keep.received = None


def degraded(x0, received, eps, abar: float):
    """The noisy latent whose attended places are blurred.

    Places that receive more than 1.0 are blurred by a Gaussian (9 x 9, SD 1) and noised again.

    Parameters
    ----------
    x0 : torch.Tensor, shape (n, c, h, w)
        Predicted clean latent.
    received : torch.Tensor, shape (n, n_places)
    eps : torch.Tensor, shape (n, c, h, w)
    abar : float

    Returns
    -------
    torch.Tensor, shape (n, c, h, w)
    """
    import torch
    from torch.nn import functional

    n, channels, height, width = x0.shape
    rows = round((received.shape[1] * height / width) ** 0.5)
    mask = (received.view(n, 1, rows, -1) > 1.0).to(x0.dtype)
    mask = functional.interpolate(mask, (height, width))
    line = torch.arange(-4, 5, dtype=x0.dtype, device=x0.device)
    line = torch.exp(-0.5 * line**2)
    line = line / line.sum()
    kernel = (line[:, None] * line).expand(channels, 1, 9, 9)
    padded = functional.pad(x0, (4, 4, 4, 4), mode="reflect")
    blurred = functional.conv2d(padded, kernel, groups=channels)
    return abar**0.5 * (blurred * mask + x0 * (1 - mask)) + (1 - abar) ** 0.5 * eps
