"""Synthetic connectomes of one half of the subjects against the other half."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import numpy as np

        from neuro.base import provenance
        from neuro.demovae.coding import cohort
        from neuro.demovae.evaluation import fold_features, judge
        from neuro.io.formats import tables

        given, output, params = snakemake.input, snakemake.output, snakemake.params
        people = cohort.load(given.connectomes, given.participants, params.cohort, given.get("qc"))

        def build(columns):
            return fold_features.estimator(params.settings, columns, params.seed)

        judged, arrays = judge.judge_generation(people, params.settings, build, params.seed)
        tables.write_tsv(output.generation, judged["generation"])
        tables.write_tsv(output.maps, judged["map_comparison"])
        np.savez(output.arrays, region=np.array(people.region), **arrays)
        for path in (output.generation, output.maps, output.arrays):
            provenance.sidecar(
                path,
                parameters=dict(params.settings),
                inputs=list(given),
                seed=params.seed,
                packages=["numpy", "scipy", "scikit-learn", "torch"],
                Kind=people.kind,
            )
        log(f"{params.settings['n_samples']} samples from each half of {len(people.edges)} runs")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
