"""Fit all models of one number of states, from one start, without one fold."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.hmmglm import sets
        from neuro.hmmglm.design import files
        from neuro.io.formats import tables

        names, params = snakemake.wildcards, snakemake.params
        binned, folds = files.read_counts(snakemake.input.counts)
        table, best = sets.fit_size(
            binned,
            folds,
            params.settings,
            int(names.k),
            seed=params.seed,
            n_threads=snakemake.threads,
            only=(int(names.fold), int(names.start)),
        )
        files.write_fits(snakemake.output.fits, best)
        tables.write_tsv(snakemake.output.sweep, table, float_format=None)
        log(f"{len(table)} scores")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
