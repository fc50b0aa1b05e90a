"""Predict further targets of held-out subjects, beside their nulls and baselines."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.adhd.features import subjects
        from neuro.adhd.targets import judge
        from neuro.base import provenance
        from neuro.io.formats import tables

        given, output, params = snakemake.input, snakemake.output, snakemake.params
        features, people = subjects.load(given.features, given.subjects)
        folds = subjects.read_folds(given.folds)
        scores, predictions, left_out = judge.all_targets(
            features, people, folds, params.settings, params.seed
        )
        tables.write_tsv(output.scores, scores)
        tables.write_tsv(output.predictions, predictions)
        tables.write_exclusions(output.exclusions, left_out)
        provenance.sidecar(
            output.scores,
            parameters=dict(params.settings),
            inputs=list(given),
            seed=params.seed,
            packages=["numpy", "scipy", "scikit-learn"],
        )
        log(f"{len(people)} subjects, targets {', '.join(params.settings['targets'])}")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
