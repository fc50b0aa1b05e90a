"""What the methods text says about section `braindive`."""

from __future__ import annotations


def _predicted(encoder):
    """Where the guide's predictions come from."""
    if encoder["type"] == "fit":
        return (
            f"Voxel responses were predicted from {encoder['backbone']} features by a linear "
            f"readout ({encoder['readout']}), fitted on every second training image."
        )
    kinds = {
        "readout": f"a linear readout of {encoder['backbone']} features that was fitted elsewhere",
        "checkpoint": "a released linear readout of CLIP's embedding",
        "berg": "an encoder of the Brain Encoding Response Generator on ViT-B/32",
        "module": "an encoder of our own, verified by stored predictions",
    }
    return f"Voxel responses were predicted by {kinds[encoder['type']]}."


def _judged(section):
    """Who judged the images, if anybody."""
    if section["images"] == "none":
        return (
            f"{section['n_seeds']} images were made per objective. No responses were measured that "
            "other encoders could be fitted on: nobody judged the images."
        )
    return (
        f"They were judged by an encoder with another backbone "
        f"({section['independent']['backbone']}) fitted on the other training images, against "
        f"unguided images from the same noise; {section['n_seeds']} seeds per objective. A verdict "
        "counts gains in units of each judge's own gain for natural top images."
    )


def _options(section):
    """Sentences for what is off by default."""
    if section["edit"]["image"]:
        yield (
            f"Images started from a given picture with noise, for the last "
            f"{100 * section['edit']['strength']:g} % of the steps."
        )
    if section["recurrence"] > 1:
        yield (
            f"Each guided step was done {section['recurrence']} times, with fresh noise between "
            "them."
        )
    if section["guide_augment"]:
        yield (
            f"Gradients were averaged over {section['guide_augment']} shifted and brightened "
            "copies of the picture."
        )


def describe(config):
    """Sentences for the methods section with citation keys; see `sections.methods`."""
    section = config["braindive"]
    generator = {
        "tiny": "a small latent diffusion model trained on the data set's own images",
        "sd": "Stable Diffusion from local weights [@rombach2022]",
        "sdxl": "Stable Diffusion XL from local weights [@rombach2022]",
        "sd3": "Stable Diffusion 3 from local weights, along its flow",
        "flux": "Flux from local weights, along its flow",
    }[section["generator"]["type"]]
    strength = {
        "ratio": f"each correction had {section['value']:g} times the size of the noise prediction",
        "gamma": f"the gradient was scaled by {section['value']:g}",
        "polyak": f"each step went {section['value']:g} times as far as the gradient put a "
        f"response of {section['polyak_target'] or 0:g}",
    }[section["strength"]]
    through = "through" if section["unet_backprop"] else "without"
    sentences = [
        _predicted(section["encoder"]),
        f"Images were sampled from {generator} in {section['steps']} steps, guided by the gradient "
        f"of the predicted response {through} the denoiser [@luo2023]; {strength}.",
        _judged(section),
        *_options(section),
    ]
    keys = ["luo2023", "diffusers"]
    if section["guide_decoder"] != "exact":
        sentences.append(
            "For the gradient, latents were decoded by "
            + (
                "the same decoder after averaging over squares of 2 x 2."
                if section["guide_decoder"] == "pooled"
                else "a small autoencoder; images were decoded by the generator's own."
            )
        )
    if section["sag_scale"]:
        sentences.append("Self-attention guidance was used [@hong2023].")
        keys.append("hong2023")
    if section["generator"]["type"] != "tiny":
        keys.append("rombach2022")
    return sentences, keys
