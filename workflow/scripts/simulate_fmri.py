"""Write a planted cohort as images in MNI space."""

from pathlib import Path

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.simulate.mni import write_cohort

        folder = Path(snakemake.output[0]).parent
        settings = dict(snakemake.params.settings)
        write_cohort(folder, **settings, random_state=snakemake.params.seed)
        log(f"{settings['n_subjects']} subjects in {folder}")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
