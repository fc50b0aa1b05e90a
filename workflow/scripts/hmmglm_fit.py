"""All folds, starts and models of one number of states; or their single fits joined."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.hmmglm import sets
        from neuro.hmmglm.design import files
        from neuro.io.formats import tables

        given, output, params = snakemake.input, snakemake.output, snakemake.params
        if given.get("fits"):
            table = sets.in_order(files.read_sweep(given.sweep))
            files.merge_fits(given.fits, output.fits)
        else:
            binned, folds = files.read_counts(given.counts)
            table, best = sets.fit_size(
                binned,
                folds,
                params.settings,
                int(snakemake.wildcards.k),
                seed=params.seed,
                n_threads=snakemake.threads,
            )
            table = sets.in_order(table)
            files.write_fits(output.fits, best)
        tables.write_tsv(output.sweep, table, float_format=None)
        log(f"{len(table)} scores")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
