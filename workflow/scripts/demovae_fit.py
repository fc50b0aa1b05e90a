"""Fit the autoencoder on all subjects, for samples and display; never for a diagnosis."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.base import provenance
        from neuro.demovae.coding import cohort
        from neuro.demovae.evaluation import fold_features
        from neuro.io.formats import tables

        given, params, output = snakemake.input, snakemake.params, snakemake.output
        people = cohort.load(given.connectomes, given.participants, params.cohort, given.get("qc"))
        model = fold_features.estimator(
            params.settings, people.columns, params.seed, snakemake.threads
        ).set_params(verbose=True)
        fold_features.fit_cohort(model, people)
        model.save(output.model)
        tables.write_tsv(output.history, model.history_)
        tables.write_exclusions(output.exclusions, people.exclusions)
        provenance.sidecar(
            output.model,
            parameters=dict(params.settings),
            inputs=list(given),
            seed=params.seed,
            packages=["numpy", "scipy", "scikit-learn", "torch"],
            threads=snakemake.threads,
            device=model.device_,
            Kind=people.kind,
            Epoch=model.n_epochs_,
            Converged=model.converged_,
            MomentError=model.moment_error_,
            Note="its weights identify the participants: do not share this file",
        )
        log(
            f"{len(people.edges)} runs, {people.edges.shape[1]} edges, "
            f"{model.codec_.n_latents} latents, epoch {model.n_epochs_}"
        )


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
