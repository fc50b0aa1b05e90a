"""What can be read out of the features of held-out subjects."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.base import provenance
        from neuro.demovae.coding import cohort
        from neuro.demovae.evaluation import judge
        from neuro.io.formats import tables

        given, output, params = snakemake.input, snakemake.output, snakemake.params
        people = cohort.load(given.connectomes, given.participants, params.cohort, given.get("qc"))
        folds = None
        if given.get("folds"):
            text = {"participant_id": str, "scheme": str, "fold": str}
            folds = tables.read_tsv(given.folds[0], dtype=text)
        judged = judge.judge_features(people, params.settings, params.seed, folds, log)
        for name, table in judged.items():
            path = tables.write_tsv(output[name], table)
            provenance.sidecar(
                path,
                parameters=dict(params.settings),
                inputs=list(given),
                seed=params.seed,
                packages=["numpy", "scipy", "scikit-learn", "torch"],
            )
        log(f"{len(people.edges)} runs, {len(judged['readouts'])} readouts")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
