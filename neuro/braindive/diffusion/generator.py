"""What the sampler needs of an image generator: noise predictions and a decoder."""

from __future__ import annotations

import json

from neuro.io.problems import InputProblem

PREDICTIONS = ("epsilon", "v_prediction", "sample")


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
        self, unet, vae, schedule, condition, *, scaling_factor, licence="", sha256="", name=""
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
        size = unet.config.sample_size
        self.latent_shape = (unet.config.in_channels, size, size)
        self._compiled = None

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

        for part in (self.unet, self.vae):
            # Not the method of diffusers, which warns at every change of type.
            torch.nn.Module.to(part, device=device, dtype=dtype)
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
                torch.compile(part, dynamic=False, **options)
                for part in (self.unet.forward, self.vae.decode)
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
        out = predict(z.to(self.dtype), t, encoder_hidden_states=condition, **options)
        return out.sample.to(z.dtype)

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

    def describe(self) -> dict:
        """What sidecars say about the generator."""
        return {
            "generator": self.name,
            "sha256": self.sha256,
            "licence": self.licence,
            "prediction_type": self.prediction_type,
            "latent_shape": list(self.latent_shape),
            "scaling_factor": self.scaling_factor,
        }


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


def read_json(path) -> dict:
    """A JSON file, with a one-line error for a broken one."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        raise InputProblem(f"{path}: not a readable JSON file") from None
