"""Every column of the participants table, predicted before and after removal."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.base import provenance
        from neuro.demovae.coding import cohort
        from neuro.demovae.evaluation import phenotypes
        from neuro.io.formats import tables

        given, output, params = snakemake.input, snakemake.output, snakemake.params
        people = cohort.load(given.connectomes, given.participants, params.cohort, given.get("qc"))
        result, left_out = phenotypes.scan(people, params.settings, params.seed, log)
        tables.write_tsv(output.table, result)
        tables.write_exclusions(output.exclusions, left_out)
        provenance.sidecar(
            output.table,
            parameters=dict(params.settings),
            inputs=list(given),
            seed=params.seed,
            packages=["numpy", "scipy", "scikit-learn", "torch"],
        )
        log(f"{result['column'].nunique()} columns, {len(result)} scores")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
