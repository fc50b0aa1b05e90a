"""Diagnose held-out subjects with every input and baseline, and fit the final model."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.adhd import final
        from neuro.adhd.diagnosis import variants
        from neuro.adhd.features import subjects
        from neuro.base import provenance
        from neuro.io.formats import tables

        given, settings = snakemake.input, snakemake.params.settings
        seed, output = snakemake.params.seed, snakemake.output
        features, people = subjects.load(given.features, given.subjects)
        folds = subjects.read_folds(given.folds)
        analyses, absent, left_out = final.analyses(features, people, settings, seed)
        predictions, mask = variants.judge(analyses, people, folds)
        tables.write_tsv(output.predictions, predictions)
        tables.write_tsv(output.mask, mask)
        tables.write_tsv(output.absent, final.absent_table(absent))
        tables.write_exclusions(output.exclusions, left_out)
        primary = next(analysis for analysis in analyses if analysis.primary)
        model, pattern = final.fit(primary, features, people)
        model.save(output.model)
        tables.write_tsv(output.pattern, pattern)
        for path in (output.predictions, output.model):
            provenance.sidecar(
                path,
                parameters=dict(settings),
                inputs=list(given),
                seed=seed,
                packages=["numpy", "scipy", "scikit-learn"],
            )
        log(f"{len(people)} subjects, {len(analyses)} analyses, {len(predictions)} predictions")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
