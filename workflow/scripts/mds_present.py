"""Simulate new planted cells that see the stimuli on the rig."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import numpy as np

        from neuro.simulate import ln8

        given, params = snakemake.input, snakemake.params
        with np.load(given.stimuli, allow_pickle=False) as file:
            stimuli = file["stimuli"]
        result = ln8.present(
            ln8.read_truth(given.truth),
            stimuli,
            params.settings["n_new"],
            params.settings["n_repeats"],
            random_state=params.seed,
        )
        np.savez(snakemake.output.recording, **result)
        n_repeats, n_stimuli, n_cells = result["responses"].shape
        log(f"{n_cells} new cells, {n_stimuli} stimuli, {n_repeats} repeats")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
