"""Sample one block of guided images and their unguided twins."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from pathlib import Path

        from neuro.braindive import stage
        from neuro.io.formats import tables

        params, out = snakemake.params, Path(snakemake.output[0])
        stage.sample(snakemake.wildcards, snakemake.input, out, params, log)
        seeds = tables.read_tsv(out)["seed"].dropna().astype(int)
        log.beside = [path for seed in seeds for path in out.parent.glob(f"seed-{seed}[._]*")]


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
