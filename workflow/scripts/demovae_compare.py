"""Every way of removing demographics, in the same folds and under the same bottleneck."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.base import provenance
        from neuro.demovae.coding import cohort
        from neuro.demovae.evaluation import compare
        from neuro.io.formats import tables

        given, output, params = snakemake.input, snakemake.output, snakemake.params
        people = cohort.load(given.connectomes, given.participants, params.cohort, given.get("qc"))
        compared = compare.compare_cohort(people, params.settings, params.seed, log)
        tables.write_tsv(output.table, compared)
        tables.write_tsv(output.summary, compare.summary(compared))
        for path in (output.table, output.summary):
            provenance.sidecar(
                path,
                parameters=dict(params.settings),
                inputs=list(given),
                seed=params.seed,
                packages=["numpy", "scipy", "scikit-learn", "torch"],
                Note="CPU seconds are those of this machine; readouts 'fresh' count",
            )
        log(f"{len(people.edges)} runs, {len(compared)} figures")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
