"""What the sampler needs of an image generator: noise predictions and a decoder."""

from __future__ import annotations

import hashlib
import math

from neuro.io.problems import InputProblem

PREDICTIONS = ("epsilon", "v_prediction", "sample")
GUIDANCE = 7.5
"""What latent consistency models are told of classifier-free guidance: the default of their
pipeline, less 1. With the empty text as condition it means nothing, but must be a known value."""


class Generator:
    """A latent diffusion model in parts: a UNet, an image decoder, a noise schedule.

    Parameters
    ----------
    unet, vae : torch.nn.Module
        As in diffusers: `unet(z, t, encoder_hidden_states).sample`, `vae.decode(z).sample`.
    schedule : dict
        Configuration of the scheduler, as diffusers stores it.
    condition : torch.Tensor, shape (1, n_tokens, n_features)
        What the UNet gets in place of a text: the embedding of the empty one, or zeros.
    scaling_factor : float
        Latents of the UNet = latents of the VAE times this factor.
    licence, sha256 : str
    name : str
    size : int, optional
        Edge of the images in pixels; by default that of the UNet's training.
    few_steps : neuro.braindive.diffusion.few_steps.FewSteps, optional
        Of a model that was distilled to few steps.

    Attributes
    ----------
    alphas_cumprod : list of float
        Share of signal in a noisy latent, by training step; plain numbers, no device sync.
    prediction_type : {'epsilon', 'v_prediction', 'sample'}
    latent_shape : tuple of int
        (channels, height, width)
    publishable : bool
        False for random weights: such images are no results.

    Raises
    ------
    InputProblem
        When the schedule has no `alphas_cumprod` or an unknown prediction type.
    """

    publishable = True

    def __init__(
        self,
        unet,
        vae,
        schedule,
        condition,
        *,
        scaling_factor,
        licence="",
        sha256="",
        name="",
        size=None,
        few_steps=None,
    ):
        self.unet = unet.eval().requires_grad_(False)
        self.vae = vae.eval().requires_grad_(False)
        self.schedule = {key: value for key, value in dict(schedule).items() if key[0] != "_"}
        self.schedule_class = dict(schedule).get("_class_name", "")
        self.condition = condition
        self.scaling_factor = float(scaling_factor)
        self.licence, self.sha256, self.name = licence, sha256, name
        self.prediction_type = self.schedule.get("prediction_type", "epsilon")
        if self.prediction_type not in PREDICTIONS:
            raise InputProblem(
                f"{name}: prediction_type '{self.prediction_type}', expected one of "
                f"{', '.join(PREDICTIONS)}"
            )
        self.alphas_cumprod = alphas_cumprod(self.schedule, self.schedule_class, name)
        edge = unet.config.sample_size if size is None else size // pixels_per_latent(vae.config)
        self.latent_shape = (unet.config.in_channels, edge, edge)
        self.few_steps = few_steps
        self._compiled = None
        self._condition_hash: str | None = None

    @property
    def dtype(self):
        """Number type of the UNet's weights."""
        return next(self.unet.parameters()).dtype

    @property
    def device(self):
        """Where the UNet's weights are."""
        return next(self.unet.parameters()).device

    def to(self, device, dtype=None):
        """Move the weights.

        Parameters
        ----------
        device : str
        dtype : torch.dtype, optional

        Returns
        -------
        self
        """
        import torch

        self._condition_sha256()
        for network in (self.unet, self.vae):
            # Not the method of diffusers, which warns at every change of type.
            torch.nn.Module.to(network, device=device, dtype=dtype)
        self.condition = self.condition.to(device=device, dtype=dtype or self.condition.dtype)
        return self

    def compile(self, backend=True):
        """Compile UNet and decoder at their next call; `eps` and `decode` use them from then on.

        Parameters
        ----------
        backend : bool, str or callable
            True is torch's default.

        Returns
        -------
        self
        """
        import torch

        if self._compiled is None:
            options = {} if backend is True else {"backend": backend}
            self._compiled = [
                torch.compile(function, dynamic=False, **options)
                for function in (self.unet.forward, self.vae.decode)
            ]
        return self

    def raw(self, z, t):
        """The UNet's output, whatever it predicts."""
        return self._predict(z, t, self.condition.expand(len(z), -1, -1))

    def _predict(self, z, t, condition, **options):
        import torch

        predict = self.unet
        if self._compiled:
            # As a tensor: a plain number would be compiled in, step by step.
            predict, t = self._compiled[0], torch.tensor(t, device=z.device)
        width = getattr(self.unet.config, "time_cond_proj_dim", None)
        if width:
            embedding = guidance_embedding(width).to(device=z.device, dtype=self.dtype)
            options["timestep_cond"] = embedding.expand(len(z), -1)
        out = predict(z.to(self.dtype), t, encoder_hidden_states=condition, **options)
        return out.sample.to(z.dtype)

    def levels(self, t) -> tuple[float, float]:
        """Share of signal and of noise in a latent at step t, as standard deviations."""
        abar = self.alphas_cumprod[int(t)]
        return abar**0.5, (1 - abar) ** 0.5

    def levels_after(self, scheduler, number, t) -> tuple[float, float]:
        """The same after the step at t, for schedulers without a memory."""
        before = int(t) - scheduler.config.num_train_timesteps // scheduler.num_inference_steps
        last = float(scheduler.final_alpha_cumprod)
        abar = self.alphas_cumprod[before] if before >= 0 else last
        return abar**0.5, (1 - abar) ** 0.5

    def steps(self, name, n):
        """A scheduler that steps with what :meth:`out` gives."""
        from neuro.braindive.diffusion.schedulers import make_scheduler

        return make_scheduler(name, self, n)

    def plain_time(self, t):
        """A scheduler's time as a plain number."""
        return int(t)

    def guidable(self, t) -> bool:
        """Whether there is enough of a picture at step t."""
        return True

    def out(self, z, t):
        """What the scheduler steps with: the predicted noise."""
        return self.eps(z, t)

    def picture_in(self, z, t, out):
        """The latent of the picture that the generator sees in z."""
        signal, noise = self.levels(t)
        return (z - noise * out) / signal

    def noise_in(self, z, t, out):
        """The noise that the generator sees in z."""
        return out

    def corrected(self, out, taken, t):
        """What the scheduler steps with after some noise is taken off."""
        return out - taken

    def encode(self, images):
        """Latents of images, on the denoiser's scale: the mean of what the autoencoder gives.

        Parameters
        ----------
        images : torch.Tensor, shape (n, 3, h, w)
            In [-1, 1].

        Returns
        -------
        torch.Tensor, shape (n, *latent_shape)
        """
        images = images.to(next(self.vae.parameters()).dtype)
        return self.vae.encode(images).latent_dist.mode().float() * self.scaling_factor

    def eps(self, z, t):
        """Predicted noise.

        Parameters
        ----------
        z : torch.Tensor, shape (n, *latent_shape)
        t : int
            Training step.

        Returns
        -------
        torch.Tensor of the same shape
        """
        return to_eps(self.raw(z, t), z, self.alphas_cumprod[int(t)], self.prediction_type)

    def decode(self, z):
        """Images of latents, in [-1, 1] and a little beyond.

        Parameters
        ----------
        z : torch.Tensor, shape (n, *latent_shape)
            On the UNet's scale.

        Returns
        -------
        torch.Tensor, shape (n, 3, height, width)
        """
        z = (z / self.scaling_factor).to(next(self.vae.parameters()).dtype)
        decode = self._compiled[1] if self._compiled else self.vae.decode
        return decode(z).sample

    def _texts(self):
        """What stands in place of a text."""
        return (self.condition,)

    def _condition_sha256(self):
        """Fingerprint of the condition, once: rounding to a smaller type must not change it."""
        if self._condition_hash is None:
            self._condition_hash = tensor_hash(*self._texts())
        return self._condition_hash

    def describe(self) -> dict:
        """What sidecars say about the generator."""
        return {
            "generator": self.name,
            "sha256": self.sha256,
            "condition_sha256": self._condition_sha256(),
            "licence": self.licence,
            "prediction_type": self.prediction_type,
            "latent_shape": list(self.latent_shape),
            "scaling_factor": self.scaling_factor,
        }


def guidance_embedding(width: int):
    """Sines and cosines of :data:`GUIDANCE`, as latent consistency models take it.

    Parameters
    ----------
    width : int
        Even.

    Returns
    -------
    torch.Tensor of float32, shape (1, width)
    """
    import torch

    half = width // 2
    rate = torch.exp(-math.log(10000.0) / (half - 1) * torch.arange(half, dtype=torch.float32))
    angle = 1000.0 * GUIDANCE * rate
    return torch.cat([angle.sin(), angle.cos()])[None]


def pixels_per_latent(vae) -> int:
    """Edge of the square of pixels behind one latent.

    Parameters
    ----------
    vae : dict or object
        Configuration of an AutoencoderKL.
    """
    widths = vae["block_out_channels"] if isinstance(vae, dict) else vae.block_out_channels
    return 2 ** (len(widths) - 1)


def to_eps(output, z, abar: float, prediction: str):
    """Noise from what a UNet predicts.

    Parameters
    ----------
    output, z : torch.Tensor
        Prediction and noisy latent.
    abar : float
        Share of signal.
    prediction : {'epsilon', 'v_prediction', 'sample'}

    Returns
    -------
    torch.Tensor
    """
    if prediction == "epsilon":
        return output
    signal, noise = abar**0.5, (1 - abar) ** 0.5
    if prediction == "v_prediction":
        return signal * output + noise * z
    return (z - signal * output) / noise


def alphas_cumprod(schedule: dict, class_name: str = "", name: str = "scheduler") -> list[float]:
    """Share of signal at each training step, from a scheduler's configuration.

    Parameters
    ----------
    schedule : dict
        `beta_start`, `beta_end`, `beta_schedule`, `num_train_timesteps` or `trained_betas`.
    class_name : str
        Flow-matching and sigma-only schedulers are refused.
    name : str
        For the message.

    Returns
    -------
    list of float

    Raises
    ------
    InputProblem
        When the schedule cannot be expressed by `alphas_cumprod`.
    """
    import numpy as np

    refused = f"{name}: scheduler {class_name or 'without betas'} has no alphas_cumprod; "
    refused += "guidance needs a DDPM schedule (beta_start, beta_end, beta_schedule)"
    if "Flow" in class_name or "EDM" in class_name or "KarrasVe" in class_name:
        raise InputProblem(refused)
    if schedule.get("rescale_betas_zero_snr"):
        raise InputProblem(
            f"{name}: scheduler with rescale_betas_zero_snr; guidance divides by the share of "
            "signal, which is zero there"
        )
    steps = int(schedule.get("num_train_timesteps", 1000))
    kind = schedule.get("beta_schedule", "linear")
    if schedule.get("trained_betas") is not None:
        betas = np.asarray(schedule["trained_betas"], dtype=np.float64)
    elif "beta_start" not in schedule or "beta_end" not in schedule:
        raise InputProblem(refused)
    elif kind == "scaled_linear":
        ends = schedule["beta_start"] ** 0.5, schedule["beta_end"] ** 0.5
        betas = np.linspace(*ends, steps) ** 2
    elif kind == "linear":
        betas = np.linspace(schedule["beta_start"], schedule["beta_end"], steps)
    else:
        raise InputProblem(f"{name}: beta_schedule '{kind}'; expected linear or scaled_linear")
    return [float(value) for value in np.cumprod(1 - betas)]


def tensor_hash(*tensors) -> str:
    """SHA-256 over the numbers of tensors, e.g. of the embedding of the empty text."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
