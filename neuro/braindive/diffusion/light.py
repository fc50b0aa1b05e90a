"""Cheaper decoders for the gradient; the final image always comes from the generator's own."""

from __future__ import annotations

import numpy as np

from neuro.io.problems import InputProblem

MIN_COSINE = 0.8
"""Smallest mean cosine with the exact gradient (ours)."""
KINDS = ("exact", "pooled", "small")
LAYOUT = "config.json and diffusion_pytorch_model.safetensors of an AutoencoderTiny or -KL"


class PooledDecoder:
    """The generator's decoder on latents averaged over squares.

    Parameters
    ----------
    generator : neuro.braindive.diffusion.generator.Generator
    pool : int
        Edge of the squares.
    """

    def __init__(self, generator, pool=2):
        self.generator, self.pool = generator, pool

    def to(self, device, dtype=None):
        """Nothing to move: the weights are the generator's."""
        return self

    def describe(self) -> str:
        """One word and what it depends on."""
        return f"pooled {self.pool}"

    def decode(self, z):
        """Images of latents, in [-1, 1], smaller than the generator's.

        Parameters
        ----------
        z : torch.Tensor, shape (n, c, h, w)

        Returns
        -------
        torch.Tensor
        """
        from torch.nn import functional

        z = functional.avg_pool2d(z, self.pool)
        # Not the compiled one, which has one size.
        vae = self.generator.vae
        z = (z / self.generator.scaling_factor).to(next(vae.parameters()).dtype)
        return vae.decode(z).sample


class SmallDecoder:
    """A small autoencoder from a local folder that shares the generator's latents.

    Parameters
    ----------
    path : path-like
        `config.json` (AutoencoderTiny or AutoencoderKL of diffusers) and its weights.

    Raises
    ------
    InputProblem
        When the folder is missing or its weights do not fit.
    """

    def __init__(self, path):
        from neuro.base.provenance import checksum
        from neuro.braindive.diffusion.configs import read_json
        from neuro.braindive.diffusion.folder import offline, weights_file
        from neuro.io.formats.hub import snapshot

        path = snapshot(path)
        if weights_file(path) is None or not (path / "config.json").is_file():
            raise InputProblem(f"{path}: no small autoencoder there; expected {LAYOUT}")
        config = read_json(path / "config.json")
        name = str(config.get("_class_name", "AutoencoderTiny"))
        if name not in ("AutoencoderTiny", "AutoencoderKL"):
            raise InputProblem(f"{path}: config.json names {name[:40]}; expected {LAYOUT}")
        with offline():
            import diffusers
            from safetensors.torch import load_file

            try:
                model = getattr(diffusers, name).from_config(config)
                state = load_file(weights_file(path))
                model.load_state_dict({key: value.float() for key, value in state.items()})
            except Exception as error:
                text = str(error).splitlines()[0][:60]
                raise InputProblem(f"{path}: weights do not fit config.json ({text})") from None
        self.model = model.eval().requires_grad_(False)
        self.scaling_factor = float(model.config.scaling_factor)
        self.sha256 = checksum(weights_file(path))

    def to(self, device, dtype=None):
        """Move the weights."""
        import torch

        torch.nn.Module.to(self.model, device=device, dtype=dtype)
        return self

    def describe(self) -> str:
        """One word and what it depends on."""
        return f"small {self.sha256}"

    def decode(self, z):
        """Images of latents, in [-1, 1].

        Parameters
        ----------
        z : torch.Tensor, shape (n, c, h, w)

        Returns
        -------
        torch.Tensor
        """
        z = (z / self.scaling_factor).to(next(self.model.parameters()).dtype)
        return self.model.decode(z).sample


def make_light(kind, generator, path=None):
    """The light decoder of a setting, or None for the exact one.

    Parameters
    ----------
    kind : {'exact', 'pooled', 'small'}
    generator : neuro.braindive.diffusion.generator.Generator
    path : path-like, optional
        Folder of the small autoencoder.

    Returns
    -------
    object or None

    Raises
    ------
    InputProblem
        When the kind is unknown, or the folder is missing.
    """
    if kind not in KINDS:
        raise InputProblem(f"guide_decoder: got '{kind}', expected {', '.join(KINDS)}")
    if kind == "exact":
        return None
    if kind == "pooled":
        return PooledDecoder(generator)
    if not path:
        raise InputProblem(f"braindive.guide_decoder_path: missing; give a folder with {LAYOUT}")
    return SmallDecoder(path)


def gradient_cosines(sampler, light, seeds=range(16), n_times=4, batch_size=8):
    """Cosine between a light decoder's gradient and the exact one, along unguided paths.

    Parameters
    ----------
    sampler : neuro.braindive.BrainGuidedSampler
    light : object
        A light decoder.
    seeds : sequence of int
    n_times : int
        Steps at which the two are compared, evenly over the path.
    batch_size : int

    Returns
    -------
    ndarray, shape (n_seeds, n_times)
        NaN where a gradient is zero or not finite.
    """
    import torch

    from neuro.braindive.diffusion.schedulers import make_scheduler

    sampler.ready()
    light.to(sampler.device, getattr(torch, sampler.dtype))
    seeds, cosines = list(seeds), []
    for first in range(0, len(seeds), batch_size):
        scheduler = make_scheduler(sampler.scheduler, sampler.generator, sampler.steps)
        times = [int(t) for t in scheduler.timesteps]
        # Middles of equal parts of the path.
        wanted = {int((k + 0.5) * len(times) / n_times) for k in range(n_times)}
        z, rows = sampler.noise(seeds[first : first + batch_size]), []
        z = z * scheduler.init_noise_sigma
        for number, t in enumerate(times):
            if number in wanted:
                exact = sampler.gradient(z, t, sampler.generator)[2].flatten(1).double()
                cheap = sampler.gradient(z, t, light)[2].flatten(1).double()
                size = exact.norm(dim=1) * cheap.norm(dim=1)
                cosine = (exact * cheap).sum(dim=1) / size
                rows.append(cosine.cpu().numpy())
            with torch.no_grad():
                z = scheduler.step(sampler.base_eps(z, t), t, z).prev_sample
        cosines.append(np.stack(rows, axis=1))
    return np.concatenate(cosines)


def check_light(sampler, light, **options) -> float:
    """Refuse a light decoder whose gradient points elsewhere.

    Parameters
    ----------
    sampler : neuro.braindive.BrainGuidedSampler
    light : object
    **options
        Of :func:`gradient_cosines`.

    Returns
    -------
    float
        Mean cosine.

    Raises
    ------
    InputProblem
        When it is below :data:`MIN_COSINE`, or the decoder does not take the latents.
    """
    try:
        cosines = gradient_cosines(sampler, light, **options)
    except RuntimeError as error:
        text = str(error).splitlines()[0][:50]
        raise InputProblem(
            f"braindive.guide_decoder: it cannot decode the generator's latents ({text})"
        ) from None
    mean = float(cosines.mean())
    if not mean >= MIN_COSINE:
        raise InputProblem(
            f"braindive.guide_decoder: its gradient has cosine {mean:.2f} with the exact one, at "
            f"least {MIN_COSINE:g} expected; set it to exact"
        )
    return mean
