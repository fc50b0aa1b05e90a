"""Write planted spike trains and their truth."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.base import provenance
        from neuro.simulate import switching

        settings = snakemake.params.settings
        truth = switching.switching_glm(**settings["simulated"], random_state=snakemake.params.seed)
        switching.write_spikes(
            snakemake.output.counts, snakemake.output.truth, truth, settings["bin_s"]
        )
        provenance.sidecar(
            snakemake.output.counts,
            parameters=settings,
            seed=snakemake.params.seed,
            packages=["numpy"],
        )
        n, n_bins, n_neurons = truth.counts.shape
        log(
            f"{n} sequences of {n_bins} bins, {n_neurons} neurons, {int(truth.counts.sum())} spikes"
        )


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
