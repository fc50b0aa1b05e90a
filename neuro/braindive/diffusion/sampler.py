"""Guided sampling: the gradient of a voxel encoder steers a diffusion model."""

from __future__ import annotations

import contextlib
import dataclasses

import numpy as np

from neuro.base import seeds
from neuro.braindive.diffusion.attention import degraded, kept_attention
from neuro.braindive.diffusion.schedulers import SCHEDULERS, make_scheduler
from neuro.io.problems import InputProblem

PRESETS = {
    "robust": {"strength": "ratio", "value": 0.2, "sag_scale": 0.0, "steps": 25, "dtype": "auto"},
    "paper": {
        "strength": "gamma",
        "value": 130.0,
        "sag_scale": 0.75,
        "steps": 50,
        "dtype": "float16",
    },
}


@dataclasses.dataclass(frozen=True)
class GuidedBatch:
    """Images of a set of seeds.

    Attributes
    ----------
    images, unguided : ndarray of float32, shape (n, 3, h, w)
        In [0, 1]. `unguided` starts from the same noise.
    trace : list of list of dict
        Per seed and step: t, activation, ratio.
    correction_ratio : ndarray, shape (n,)
        rms of the correction over rms of the noise prediction, mean over the guided steps.
    finite : ndarray of bool, shape (n,)
        False for a seed whose gradient or image was not finite; its image is not to be used.
    """

    images: np.ndarray
    unguided: np.ndarray
    trace: list
    correction_ratio: np.ndarray
    finite: np.ndarray


class BrainGuidedSampler:
    """Sample images that an encoder predicts to drive an objective.

    At step t with signal share abar, latent z and predicted noise eps:
    `x0 = (z - sb eps) / sqrt(abar)`, `x_dec = sb x0 + (1 - sb) z` (`blend`) or x0,
    `g = d/dz sum_i M(encoder(decode(x_dec_i)))`, `eps' = eps_base - sb gamma g`, with
    sb = sqrt(1 - abar); the scheduler steps with eps'. The gradient runs through the UNet.

    Parameters
    ----------
    generator : neuro.braindive.diffusion.generator.Generator
    encoder : neuro.encoding.VoxelEncoder
    objective : Objective
    preset : {'robust', 'paper'}
        Fills `strength`, `value`, `sag_scale`, `steps` and `dtype` where they are None.
    strength : {'ratio', 'gamma'}
        `gamma` multiplies the raw gradient (Luo et al. 2023: 130 for Stable Diffusion at 512
        px); `ratio` scales the correction of each image to this share of rms(eps) (ours).
    value : float
        0 samples without guidance.
    guidance_target : {'blend', 'x0'}
        `blend` is the released code.
    unet_backprop : bool
        False treats eps as a constant: faster, and breaks down at smaller corrections.
    sag_scale : float
        Self-attention guidance; released code 0.75.
    steps : int
    scheduler : {'dpmsolver++', 'ddim'}
    guide_interval : tuple of float
        First and last share of the steps that are guided, [from, to).
    guide_every : int
        Guide every n-th step.
    dtype : {'auto', 'float32', 'bfloat16', 'float16'}
        Of UNet and decoder; auto is bfloat16 on CUDA, float32 elsewhere. Encoder, readout and
        scheduler are always float32.
    device : {'auto', 'cpu', 'cuda'}
    light : object, optional
        A cheaper decoder for the gradient, see :mod:`neuro.braindive.diffusion.light`; images are
        always decoded by the generator's own.
    compile : bool or str
        Compile UNet and decoder, for one batch size: smaller batches are filled up. True is
        torch's default compiler, a text names another back end.
    random_state : int, default 0
        Of the start noise of all images.
    log : callable, optional

    Notes
    -----
    Arguments are those of the section `braindive` by the same names, so they stay flat.

    References
    ----------
    Luo, Henderson, Wehbe, Tarr (2023). Brain Diffusion for Visual Exploration. NeurIPS.
    """

    def __init__(
        self,
        generator,
        encoder,
        objective,
        preset="robust",
        strength=None,
        value=None,
        guidance_target="blend",
        unet_backprop=True,
        sag_scale=None,
        steps=None,
        scheduler="dpmsolver++",
        guide_interval=(0.0, 1.0),
        guide_every=1,
        dtype=None,
        device="auto",
        light=None,
        compile=False,
        random_state=0,
        log=None,
    ):
        if preset not in PRESETS:
            raise InputProblem(f"preset: got '{preset}', expected robust or paper")
        defaults = PRESETS[preset]
        self.generator, self.encoder, self.objective = generator, encoder, objective
        self.preset = preset
        self.strength = defaults["strength"] if strength is None else strength
        self.value = defaults["value"] if value is None else float(value)
        if self.strength not in ("ratio", "gamma"):
            raise InputProblem(f"strength: got '{self.strength}', expected ratio or gamma")
        if guidance_target not in ("blend", "x0"):
            raise InputProblem(f"guidance_target: got '{guidance_target}', expected blend or x0")
        if scheduler not in SCHEDULERS:
            raise InputProblem(f"scheduler: got '{scheduler}', expected {', '.join(SCHEDULERS)}")
        self.guidance_target, self.unet_backprop = guidance_target, unet_backprop
        self.sag_scale = defaults["sag_scale"] if sag_scale is None else float(sag_scale)
        self.steps = defaults["steps"] if steps is None else int(steps)
        self.scheduler, self.guide_every = scheduler, guide_every
        self.guide_interval = tuple(guide_interval)
        self.device = pick_device(device)
        self.dtype = defaults["dtype"] if dtype is None else dtype
        if self.dtype == "auto":
            self.dtype = "bfloat16" if self.device == "cuda" else "float32"
        if compile and self.sag_scale:
            raise InputProblem("braindive.compile: not with sag_scale above 0; set one of them off")
        self.light, self.compile, self._fixed = light, compile, 0
        self.random_state = random_state
        self.log = log or (lambda line: None)
        self._value_of = objective.folded(encoder)

    def settings(self) -> dict:
        """Everything that shapes an image, apart from its number, weights and objective.

        Returns
        -------
        dict
        """
        names = ["preset", "strength", "value", "guidance_target", "unet_backprop", "sag_scale"]
        names += ["steps", "scheduler", "guide_every", "dtype", "device", "random_state"]
        return {name: getattr(self, name) for name in names} | {
            "guide_interval": list(self.guide_interval),
            "guide_decoder": self.light.describe() if self.light else "exact",
        }

    def noise(self, numbers):
        """Start noise, a stream per image: independent of the batch and the device.

        Parameters
        ----------
        numbers : sequence of int
            Numbers of the images.

        Returns
        -------
        torch.Tensor of float32, shape (n, *latent_shape)
        """
        import torch

        shape = self.generator.latent_shape
        # torch's generator keeps 32 bits of a seed, too few to keep all images apart
        streams = [seeds.generator(self.random_state, "image", number) for number in numbers]
        parts = np.stack([own.standard_normal(shape, dtype=np.float32) for own in streams])
        return torch.from_numpy(parts).to(self.device)

    def sample(self, numbers, unguided=True) -> GuidedBatch:
        """Sample images, and the unguided twin of each.

        Parameters
        ----------
        numbers : sequence of int
            Numbers of the images.
        unguided : bool
            False leaves the twins out (zeros).

        Returns
        -------
        GuidedBatch
        """
        n, numbers = len(numbers), list(numbers)
        self.ready()
        if self.compile:
            # One size of batch: every other would be compiled anew.
            self._fixed = max(self._fixed, n)
            numbers += numbers[-1:] * (self._fixed - n)
        start = self.noise(numbers)
        with _compiling() if self.compile else contextlib.nullcontext():
            images, trace, finite = self._run(start, self.value)
            twins = self._run(start, 0.0)[0] if unguided else np.zeros_like(images)
        ratio = np.array(
            [np.mean([row["ratio"] for row in rows]) if rows else 0.0 for rows in trace[:n]]
        )
        return GuidedBatch(images[:n], twins[:n], trace[:n], ratio, finite[:n])

    def ready(self):
        """Bring all parts to the device and number type."""
        import torch

        dtype = getattr(torch, self.dtype)
        self.generator.to(self.device, dtype)
        self.encoder.backbone_.to(self.device)
        if self.light:
            self.light.to(self.device, dtype)
        if self.compile:
            self.generator.compile(self.compile)
        return self

    def _run(self, z, value):
        import torch

        scheduler = make_scheduler(self.scheduler, self.generator, self.steps)
        z = z * scheduler.init_noise_sigma
        trace = [[] for _ in z]
        skipped = np.zeros(len(z), int)
        n_steps = len(scheduler.timesteps)
        for number, t in enumerate(int(t) for t in scheduler.timesteps):
            share = number / n_steps
            guided = self.guide_interval[0] <= share < self.guide_interval[1]
            if value and guided and number % self.guide_every == 0:
                eps, activation, ratio, good = self.guided_eps(z, t, value)
                skipped += ~good
                for rows, a, r in zip(trace, activation, ratio):
                    rows.append({"t": t, "activation": float(a), "ratio": float(r)})
                if not good.all():
                    self.log(f"t {t}: gradient not finite for {(~good).sum()} images, step skipped")
            else:
                with torch.no_grad():
                    eps = self.base_eps(z, t)
            z = scheduler.step(eps, t, z).prev_sample
        with torch.no_grad():
            images = picture(self.generator.decode(z))
        images = images.cpu().numpy()
        # One skipped correction is forgiven; a second one, or a broken image, fails the seed.
        finite = (skipped <= 1) & np.isfinite(images).all(axis=(1, 2, 3))
        return images, trace, finite

    def base_eps(self, z, t):
        """Noise prediction without the encoder, with self-attention guidance if there is any.

        Parameters
        ----------
        z : torch.Tensor
        t : int

        Returns
        -------
        torch.Tensor
        """
        with self._attention() as kept:
            eps = self.generator.eps(z, t)
            return self._attended(z, t, eps, kept)

    def _attention(self):
        return kept_attention(self.generator.unet) if self.sag_scale else contextlib.nullcontext()

    def _attended(self, z, t, eps, kept):
        if not self.sag_scale:
            return eps
        abar = self.generator.alphas_cumprod[t]
        x0 = (z - (1 - abar) ** 0.5 * eps) / abar**0.5
        worse = degraded(x0, kept.received, eps, abar)
        return eps + self.sag_scale * (eps - self.generator.eps(worse, t))

    def guided_eps(self, z, t, value):
        """Noise prediction with the correction towards the objective.

        Parameters
        ----------
        z : torch.Tensor, shape (n, c, h, w)
        t : int
        value : float
            Strength.

        Returns
        -------
        eps : torch.Tensor
        activation, ratio : ndarray, shape (n,)
        good : ndarray of bool, shape (n,)
            False where the gradient was not finite: there the correction is left out.
        """
        import torch

        abar = self.generator.alphas_cumprod[t]
        sb = (1 - abar) ** 0.5
        with self._attention() as kept:
            decoder = self.light or self.generator
            eps, values, gradient = self.gradient(z, t, decoder)
            with torch.no_grad():
                base = self._attended(z, t, eps, kept)
        gradient = gradient.to(z.dtype)
        good = torch.isfinite(gradient).flatten(1).all(dim=1) & torch.isfinite(values)
        gradient = torch.where(good.view(-1, 1, 1, 1), gradient, torch.zeros_like(gradient))
        if self.strength == "gamma":
            correction = sb * value * gradient
        else:
            correction = sb * value * rms(eps) * gradient / (rms(gradient) + 1e-12)
        ratio = (rms(correction) / rms(eps)).flatten()
        numbers = (item.detach().float().cpu().numpy() for item in (values, ratio))
        return base - correction, *numbers, good.cpu().numpy()

    def gradient(self, z, t, decoder):
        """Gradient of the objective with respect to the latent.

        Parameters
        ----------
        z : torch.Tensor, shape (n, c, h, w)
        t : int
        decoder : object
            Its `decode` makes images in [-1, 1] of latents.

        Returns
        -------
        eps : torch.Tensor, shape (n, c, h, w)
        values : torch.Tensor, shape (n,)
        gradient : torch.Tensor, shape (n, c, h, w)
        """
        import torch

        abar = self.generator.alphas_cumprod[t]
        sb = (1 - abar) ** 0.5
        leaf = z.detach().requires_grad_(True)
        with torch.enable_grad():
            with contextlib.nullcontext() if self.unet_backprop else torch.no_grad():
                eps = self.generator.eps(leaf, t)
            x0 = (leaf - sb * eps) / abar**0.5
            target = x0 if self.guidance_target == "x0" else sb * x0 + (1 - sb) * leaf
            values = self._value_of(picture(decoder.decode(target)))
            # The sum, not the mean: images of a batch do not share a gradient.
            (gradient,) = torch.autograd.grad(values.sum(), leaf)
        return eps.detach(), values.detach(), gradient


@contextlib.contextmanager
def _compiling():
    """A compiler that fails is a setting to change, not a traceback."""
    import torch

    try:
        yield
    except torch._dynamo.exc.TorchDynamoException as error:
        text = (str(error).strip().splitlines() or ["no reason given"])[0][:70]
        raise InputProblem(
            f"braindive.compile: torch cannot compile here ({text}); set it to false"
        ) from None


def rms(x):
    """Root mean square over channels and pixels, shape (n, 1, 1, 1)."""
    return x.pow(2).mean(dim=(1, 2, 3), keepdim=True).sqrt()


def picture(decoded):
    """Decoder output as float image in [0, 1]; no gradient where it is saturated."""
    decoded = decoded if decoded.dtype.itemsize >= 4 else decoded.float()
    return (decoded / 2 + 0.5).clamp(0, 1)


def pick_device(device: str) -> str:
    """`auto` is CUDA where there is one.

    Raises
    ------
    InputProblem
        When CUDA is asked for and there is none.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise InputProblem(
            "braindive.device: 'cuda', but no CUDA device is visible; use auto or cpu"
        )
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device
