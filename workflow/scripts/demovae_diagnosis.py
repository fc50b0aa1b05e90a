"""The diagnosis from features without demographics: one stage's features, another's evaluator."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.adhd.diagnosis import variants
        from neuro.adhd.diagnosis.baselines import CovariateBaseline, LinearReference
        from neuro.adhd.diagnosis.pipeline import FoldPipeline
        from neuro.adhd.features import subjects
        from neuro.base import provenance
        from neuro.demovae.coding import cohort
        from neuro.demovae.evaluation import fold_features
        from neuro.io.formats import tables

        given, output, params = snakemake.input, snakemake.output, snakemake.params
        folds = subjects.read_folds(given.folds)
        people = cohort.load(given.connectomes, given.participants, params.cohort, given.get("qc"))
        people, removed, left_out = fold_features.diagnosed(people, folds)
        dims, too_many = fold_features.fitting_dims(people, folds, removed, params.settings)
        steps = fold_features.transformers(removed, params.settings, dims, params.seed)

        def classify(n_features):
            # a constant cost per unit of the Gram matrix, whatever the number of features
            return LinearReference(C=fold_features.COST / n_features, random_state=params.seed)

        n_edges = people.edges.shape[1]
        both = ("pooled", "leave_site_out")
        names = [column.name for column in removed]
        # a site that was left out says nothing to who never saw it
        analyses = [
            variants.Variant("demographics", "none", CovariateBaseline(names), schemes=both[:1]),
            variants.Variant("raw", "none", classify(n_edges), people.edges),
        ]
        for name, step in steps.items():
            size = fold_features.n_features(name, n_edges)
            pipeline = FoldPipeline(step, classify(size))
            schemes = dims.get(size, both) if "-" in name else both
            analyses.append(variants.Variant(name, "none", pipeline, people.edges, schemes=schemes))
        table = people.demographics.assign(dx=people.demographics["dx"].astype(int))
        folds = folds[folds["participant_id"].isin(set(people.participant_id))]
        predictions, _ = variants.judge(analyses, table, folds)
        null = variants.permute(
            analyses,
            table,
            folds,
            n_permutations=params.settings["permutations"],
            random_state=params.seed,
        )
        primary = fold_features.primary_name(params.settings, dims)
        scores = variants.summarise(
            predictions,
            null,
            primary=primary,
            n_bootstrap=params.bootstrap,
            random_state=params.seed,
        )
        tables.write_tsv(output.scores, scores)
        tables.write_exclusions(output.exclusions, [*left_out, *too_many])
        provenance.sidecar(
            output.scores,
            parameters={**params.settings, "removed": names},
            inputs=list(given),
            seed=params.seed,
            packages=["numpy", "scipy", "scikit-learn", "torch"],
        )
        log(f"{len(people.edges)} subjects, {len(analyses)} analyses, latents {list(dims)}")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
