"""Diagnose held-out subjects from the edges that each compared strategy leaves."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.adhd import compared as stage
        from neuro.adhd.features import subjects
        from neuro.base import provenance
        from neuro.io.formats import tables
        from neuro.io.regions import compared

        given, output, params = snakemake.input, snakemake.output, snakemake.params
        everybody = subjects.read_subjects(given.subjects)
        people = everybody[everybody["diagnosed"] == 1].reset_index(drop=True)
        content = compared.read_compared(given.edges)
        folds = subjects.read_folds(given.folds)
        scores, left_out = stage.diagnosed(content, people, folds, params.settings, params.seed)
        tables.write_tsv(output.scores, scores)
        tables.write_exclusions(output.exclusions, left_out)
        provenance.sidecar(
            output.scores,
            parameters=dict(params.settings),
            inputs=list(given),
            seed=params.seed,
            packages=["numpy", "scikit-learn"],
        )
        log(f"{len(content.strategy)} strategies, {len(left_out)} people left out")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
