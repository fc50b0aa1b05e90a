"""Write planted calcium recordings, their stimuli and the truth."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from pathlib import Path

        from neuro.base import provenance
        from neuro.simulate import motifs

        given = snakemake.params.settings
        planted = motifs.planted_epochs(
            given["n_animals"],
            given["n_neurons"],
            given["n_conditions"],
            epoch_s=given["epoch_s"],
            rest_s=given["epoch_s"] / 2,
            missing=given["missing"],
            counterbalanced=True,
            random_state=snakemake.params.seed,
        )
        motifs.write_recordings(Path(snakemake.output.events).parent, planted)
        for path in (snakemake.output.events, snakemake.output.truth):
            provenance.sidecar(path, parameters=dict(given), seed=snakemake.params.seed)
        log(f"{len(planted.recordings)} recordings, conditions {', '.join(planted.conditions)}")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
