"""Judge all images, rank them, and sum the stage up."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.braindive import final

        params = snakemake.params
        final.judge(snakemake.input, snakemake.output, params, log)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
