"""Guided sampling: the gradient of a voxel encoder steers a diffusion model."""

from __future__ import annotations

import contextlib

import numpy as np

from neuro.base import seeds
from neuro.braindive.diffusion.attention import degraded, kept_attention
from neuro.braindive.diffusion.batch import PRESETS, GuidedBatch, compiling, picture
from neuro.braindive.diffusion.device import pick_device, pick_dtype
from neuro.braindive.diffusion.guidance import (
    STRENGTHS,
    correction,
    fresh,
    moved,
    noised_back,
    rms,
    streams,
)
from neuro.braindive.diffusion.schedulers import SCHEDULERS
from neuro.io.problems import InputProblem


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
    strength : {'ratio', 'gamma', 'polyak'}
        `gamma` multiplies the raw gradient (Luo et al. 2023: 130 for Stable Diffusion at 512
        px); `ratio` scales the correction of each image to this share of rms(eps) (ours);
        `polyak` goes towards `polyak_target`, see :mod:`neuro.braindive.diffusion.guidance`.
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
        Models that were distilled to few steps have their own, and their own number of steps
        where more are asked for than they were made for.
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
    polyak_target : float, optional
        Value of the objective that `polyak` steps towards.
    recurrence : int
        Times that a guided step is done, with fresh noise put back between them (Bansal et al.
        2023).
    guide_augment : int
        Shifted and brightened copies of the picture whose gradients are averaged; 0 takes the
        picture itself.
    edit : neuro.braindive.diffusion.edit.Edit, optional
        A given picture instead of noise as the start.
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
        polyak_target=None,
        recurrence=1,
        guide_augment=0,
        edit=None,
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
        if self.strength not in STRENGTHS:
            raise InputProblem(f"strength: got '{self.strength}', expected {', '.join(STRENGTHS)}")
        if self.strength == "polyak" and polyak_target is None:
            raise InputProblem("polyak_target: missing; strength is 'polyak'")
        if guidance_target not in ("blend", "x0"):
            raise InputProblem(f"guidance_target: got '{guidance_target}', expected blend or x0")
        if scheduler not in SCHEDULERS:
            raise InputProblem(f"scheduler: got '{scheduler}', expected {', '.join(SCHEDULERS)}")
        self.guidance_target, self.unet_backprop = guidance_target, unet_backprop
        self.sag_scale = defaults["sag_scale"] if sag_scale is None else float(sag_scale)
        self.steps = defaults["steps"] if steps is None else int(steps)
        self.scheduler, self.guide_every = scheduler, guide_every
        if generator.few_steps:
            self.scheduler = generator.few_steps.kind
            self.steps = generator.few_steps.steps(self.steps)
        self.guide_interval = tuple(guide_interval)
        self.device = pick_device(device)
        self.dtype = pick_dtype(defaults["dtype"] if dtype is None else dtype, self.device)
        if compile and self.sag_scale:
            raise InputProblem("braindive.compile: not with sag_scale above 0; set one of them off")
        self.polyak_target, self.recurrence = polyak_target, int(recurrence)
        self.guide_augment, self.edit = int(guide_augment), edit
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
            **self._options(),
        }

    def _options(self) -> dict:
        """Options that are on: those that are off leave images made before as they are."""
        said: dict = {"polyak_target": self.polyak_target} if self.strength == "polyak" else {}
        if self.recurrence > 1:
            said["recurrence"] = self.recurrence
        if self.guide_augment:
            said["guide_augment"] = self.guide_augment
        return said | ({"edit": self.edit.describe()} if self.edit else {})

    def noise(self, numbers):
        """Start noise, a stream per image: independent of the batch and the device.

        Parameters
        ----------
        numbers : sequence of int
            Numbers of the images.

        Returns
        -------
        torch.Tensor of float32, shape `(n, *latent_shape)`
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
        with compiling() if self.compile else contextlib.nullcontext():
            keys = [(0, number, 0) for number in numbers]
            images, trace, finite = self._run(start, self.value, keys)
            twins = self._run(start, 0.0, keys)[0] if unguided else np.zeros_like(images)
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

    def _run(self, z, value, keys=()):
        import torch

        generator = self.generator
        scheduler = generator.steps(self.scheduler, self.steps)
        times = [generator.plain_time(t) for t in scheduler.timesteps]
        first = self.edit.first(len(times)) if self.edit else 0
        z = self.edit.start(z, generator, times[first]) if self.edit else z
        z = z if self.edit else z * scheduler.init_noise_sigma
        trace = [[] for _ in z]
        skipped = np.zeros(len(z), int)
        for number, t in list(enumerate(times))[first:]:
            repeats = self.recurrence if value and self._guides(number, times) else 1
            for repeat in range(repeats):
                if value and self._guides(number, times):
                    draws = (keys, number, repeat)
                    out, activation, ratio, good = self.guided_eps(z, t, value, draws)
                    skipped += ~good
                    for rows, a, r in zip(trace, activation, ratio):
                        rows.append({"t": t, "activation": float(a), "ratio": float(r)})
                    if not good.all():
                        self.log(
                            f"t {t}: gradient not finite for {(~good).sum()} images, step skipped"
                        )
                else:
                    with torch.no_grad():
                        out = self.base_eps(z, t)
                z = scheduler.step(out, t, z).prev_sample
                if repeat < repeats - 1:
                    rngs = streams(self.random_state, "noise put back", keys, number, repeat)
                    levels = generator.levels(t), generator.levels_after(scheduler, number, t)
                    z = noised_back(z, *levels, fresh(rngs, z))
        with torch.no_grad():
            images = picture(self.generator.decode(z))
        images = images.cpu().numpy()
        # One skipped correction is forgiven; a second one, or a broken image, fails the seed.
        finite = (skipped <= 1) & np.isfinite(images).all(axis=(1, 2, 3))
        return images, trace, finite

    def _guides(self, number, times):
        """Whether a step is guided."""
        first, last = self.guide_interval
        inside = first <= number / len(times) < last and number % self.guide_every == 0
        return inside and self.generator.guidable(times[number])

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
            return self._attended(z, t, self.generator.out(z, t), kept)

    def _attention(self):
        return kept_attention(self.generator.unet) if self.sag_scale else contextlib.nullcontext()

    def _attended(self, z, t, eps, kept):
        if not self.sag_scale:
            return eps
        abar = self.generator.alphas_cumprod[t]
        x0 = (z - (1 - abar) ** 0.5 * eps) / abar**0.5
        worse = degraded(x0, kept.received, eps, abar)
        return eps + self.sag_scale * (eps - self.generator.eps(worse, t))

    def guided_eps(self, z, t, value, draws=None):
        """Noise prediction with the correction towards the objective.

        Parameters
        ----------
        z : torch.Tensor, shape (n, c, h, w)
        t : int
        value : float
            Strength.
        draws : tuple, optional
            Keys of the images, step and repeat: what random copies of the picture depend on.

        Returns
        -------
        eps : torch.Tensor
        activation, ratio : ndarray, shape (n,)
        good : ndarray of bool, shape (n,)
            False where the gradient was not finite: there the correction is left out.
        """
        import torch

        _, sb = self.generator.levels(t)
        with self._attention() as kept:
            decoder = self.light or self.generator
            out, values, gradient = self.gradient(z, t, decoder, draws)
            with torch.no_grad():
                base = self._attended(z, t, out, kept)
                eps = self.generator.noise_in(z, t, out)
        gradient = gradient.to(z.dtype)
        good = torch.isfinite(gradient).flatten(1).all(dim=1) & torch.isfinite(values)
        gradient = torch.where(good.view(-1, 1, 1, 1), gradient, torch.zeros_like(gradient))
        aims = {"values": values, "target": self.polyak_target}
        taken = correction(self.strength, value, gradient, eps, sb, **aims)
        ratio = (rms(taken) / rms(eps)).flatten()
        numbers = (tensor.detach().float().cpu().numpy() for tensor in (values, ratio))
        return self.generator.corrected(base, taken, t), *numbers, good.cpu().numpy()

    def gradient(self, z, t, decoder, draws=None):
        """Gradient of the objective with respect to the latent.

        Parameters
        ----------
        z : torch.Tensor, shape (n, c, h, w)
        t : int
        decoder : object
            Its `decode` makes images in [-1, 1] of latents.
        draws : tuple, optional
            See :meth:`guided_eps`.

        Returns
        -------
        out : torch.Tensor, shape (n, c, h, w)
            What the generator gave: noise, or the velocity of a flow.
        values : torch.Tensor, shape (n,)
        gradient : torch.Tensor, shape (n, c, h, w)
        """
        import torch

        _, sb = self.generator.levels(t)
        leaf = z.detach().requires_grad_(True)
        with torch.enable_grad():
            with contextlib.nullcontext() if self.unet_backprop else torch.no_grad():
                out = self.generator.out(leaf, t)
            x0 = self.generator.picture_in(leaf, t, out)
            target = x0 if self.guidance_target == "x0" else sb * x0 + (1 - sb) * leaf
            values = self._shown(picture(decoder.decode(target)), draws)
            # The sum, not the mean: images of a batch do not share a gradient.
            (gradient,) = torch.autograd.grad(values.sum(), leaf)
        return out.detach(), values.detach(), gradient

    def _shown(self, images, draws):
        """The objective of the images, or its mean over copies of each."""
        if not self.guide_augment or draws is None:
            return self._value_of(images)
        keys, *step = draws
        values = 0.0
        for copy in range(self.guide_augment):
            rngs = streams(self.random_state, "copies for the gradient", keys, *step, copy)
            values = values + self._value_of(moved(images, rngs))
        return values / self.guide_augment
