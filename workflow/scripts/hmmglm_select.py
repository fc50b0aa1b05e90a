"""Choose the number of states and fit the exported model to all data."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.base import provenance
        from neuro.hmmglm import exported, sets
        from neuro.hmmglm.baselines import sweep
        from neuro.hmmglm.design import files
        from neuro.io.formats import tables

        given, output, params = snakemake.input, snakemake.output, snakemake.params
        settings = params.settings
        binned, _ = files.read_counts(given.counts)
        table = files.read_sweep(given.sweep)
        name = settings["model"][-1]
        k = sweep.choose_k(table, name, settings["rule"])
        model = sets.refit(binned, settings, k, seed=params.seed, n_threads=snakemake.threads)
        tables.write_tsv(output.sweep, table, float_format=None)
        tables.write_tsv(output.curve, sweep.curve_of(table, name))
        tables.write_tsv(output.restarts, sweep.restart_agreement(table, name))
        tables.write_tsv(output.convergence, exported.convergence_table(model))
        model.save(output.model)
        provenance.sidecar(
            output.model,
            parameters=exported.sidecar_parameters(model, settings),
            inputs=[given.counts],
            seed=params.seed,
            packages=["numpy", "scipy", "numba", "pandas"],
            threads=snakemake.threads,
            **exported.sidecar_results(model, settings),
        )
        log(f"{k} states, model {name}, smallest occupancy {model.occupancy_.min():.3f}")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
