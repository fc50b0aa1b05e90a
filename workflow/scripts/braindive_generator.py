"""Train the small generator, or check and fingerprint the user's weights."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.braindive import stage

        params = snakemake.params
        stage.make_generator(
            snakemake.input, snakemake.output[0], params.settings, params.seed, log
        )


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
