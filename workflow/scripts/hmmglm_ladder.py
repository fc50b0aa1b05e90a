"""Write what couplings, history, states and days add to the prediction of unseen spikes."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.hmmglm import sets
        from neuro.hmmglm.baselines import day_rungs
        from neuro.hmmglm.design import files
        from neuro.hmmglm.model import OneHotHMMGLM
        from neuro.io.formats import tables

        given, params = snakemake.input, snakemake.params
        binned, folds = files.read_counts(given.counts)
        k = OneHotHMMGLM.load(given.model).n_states
        table = sets.climb_ladder(binned, folds, params.settings, k, seed=params.seed)
        tables.write_tsv(snakemake.output.ladder, table)
        # the graph that all days share; empty where recordings are not days
        graph = day_rungs.graph(binned, folds, params.settings, k, seed=params.seed)
        tables.write_tsv(snakemake.output.days, graph)
        for row in table.itertuples():
            log(f"{row.rung}: {row.bits_per_spike:.3f} bits per spike")
        log(f"{len(table)} rungs")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
