"""Plant demographics in connectomes and compare what comes back with what was planted."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import numpy as np

        from neuro.base import provenance
        from neuro.demovae.coding import cohort
        from neuro.demovae.evaluation import recovery
        from neuro.io.formats import tables
        from neuro.simulate.connectomes import planted_connectomes

        output, settings, seed = snakemake.output, snakemake.params.settings, snakemake.params.seed
        own = settings["planted"]
        made = planted_connectomes(
            own["n_subjects"], own["n_regions"], random_state=seed, effect=own["effect"]
        )
        columns = cohort.columns_from_text(recovery.REMOVED)
        keys = {"latent_dim", "age_basis"}
        table, arrays = recovery.recover(
            made.edges,
            made.participants,
            made.truth,
            columns,
            {**settings, **{key: own[key] for key in keys}, "n_samples": own["n_subjects"]},
            seed,
        )
        tables.write_tsv(output.table, table)
        np.savez(output.arrays, region=np.array(made.region), **arrays)
        provenance.sidecar(
            output.table,
            parameters=dict(settings),
            inputs=[],
            seed=seed,
            packages=["numpy", "scipy", "scikit-learn", "torch"],
        )
        log(f"{own['n_subjects']} planted connectomes, {len(table)} comparisons")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
