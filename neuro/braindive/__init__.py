"""Images that a brain region or voxel cluster prefers (Luo, Henderson, Wehbe, Tarr 2023).

Images are `(n, 3, height, width)` with values in [0, 1], latents `(n, channels, height, width)`,
predicted responses `(n, n_voxels)`.

What flows where: `dataset` reads images, responses and regions and decides who may see which;
`objectives` says what an image is to drive; `diffusion` samples, guided by the gradient of an
encoder; `judging`, `verdict` and `final` ask encoders that did not make the images.
"""

from neuro.base.lazy import attach

_HOMES = {
    "BrainGuidedSampler": "diffusion.sampler",
    "GuidedBatch": "diffusion.batch",
    "Objective": "objectives",
    "TinyLDM": "diffusion.tiny_ldm",
    "TinyRecipe": "diffusion.tiny_ldm",
    "DiffusersSD": "diffusion.stable_diffusion",
    "DiffusersSDXL": "diffusion.stable_diffusion_xl",
    "RandomSD21": "diffusion.stable_diffusion",
    "judge_images": "judging",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = attach(__name__, _HOMES)
