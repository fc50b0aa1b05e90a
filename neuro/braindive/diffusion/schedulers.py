"""Schedulers of diffusers that step with noise predictions."""

from __future__ import annotations

SCHEDULE = {
    "_class_name": "DDIMScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
}
SCHEDULERS = ("dpmsolver++", "ddim")


def make_scheduler(name, generator, steps):
    """A scheduler that expects noise predictions, with its timesteps set.

    Parameters
    ----------
    name : {'dpmsolver++', 'ddim'}
        A model that was distilled to few steps has its own instead.
    generator : Generator
    steps : int

    Returns
    -------
    diffusers scheduler
    """
    import inspect

    if generator.few_steps:
        from neuro.braindive.diffusion.few_steps import FewStepScheduler

        return FewStepScheduler(generator.few_steps, generator.alphas_cumprod, steps)
    from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

    kinds = {"dpmsolver++": DPMSolverMultistepScheduler, "ddim": DDIMScheduler}
    kind = kinds[name]
    accepted = set(inspect.signature(kind.__init__).parameters)
    shared = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas")
    shared += ("steps_offset", "timestep_spacing")
    config = {key: value for key, value in generator.schedule.items() if key in shared}
    config = {key: value for key, value in config.items() if key in accepted and value is not None}
    config["prediction_type"] = "epsilon"
    if name == "ddim":
        config |= {"clip_sample": False, "set_alpha_to_one": False}
    else:
        config |= {"algorithm_type": "dpmsolver++", "solver_order": 2}
    scheduler = kind(**config)
    scheduler.set_timesteps(steps)
    return scheduler
