"""Fit the guide, the independent encoder or the category judge."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.braindive import stage

        params = snakemake.params
        stage.encode(
            snakemake.wildcards.role,
            snakemake.input,
            snakemake.output,
            params.settings,
            params.seed,
            log,
        )


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
