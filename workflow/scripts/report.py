"""Write the HTML report from the result files."""

from pathlib import Path

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro import config as settings
        from neuro.report import build

        config = snakemake.params.config
        page = build(
            Path("results"),
            Path(snakemake.output.page).parent,
            config,
            title=config["report"]["title"],
            anonymous=config["report"]["anonymous"],
            max_subject_figures=config["report"]["max_subject_figures"],
            methods=settings.methods(config),
        )
        log(f"report: {page}")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
