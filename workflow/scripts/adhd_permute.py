"""One part of the null distribution: the whole analysis on labels permuted within sites."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.adhd import final
        from neuro.adhd.diagnosis import variants
        from neuro.adhd.features import subjects
        from neuro.io.formats import tables

        given, params = snakemake.input, snakemake.params
        features, people = subjects.load(given.features, given.subjects)
        analyses, _, _ = final.analyses(features, people, params.settings, params.seed)
        table = variants.permute(
            analyses,
            people,
            subjects.read_folds(given.folds),
            n_permutations=params.settings["permutations"],
            chunk=int(snakemake.wildcards.chunk),
            n_chunks=params.chunks,
            random_state=params.seed,
        )
        tables.write_tsv(snakemake.output[0], table)
        log(f"{table['permutation'].nunique()} permutations of {len(analyses)} analyses")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
