"""Sample one block of guided images and their unguided twins."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.braindive import stage

        params = snakemake.params
        stage.sample(snakemake.wildcards, snakemake.input, snakemake.output[0], params, log)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
