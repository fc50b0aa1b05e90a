"""Headline figures, exclusions and description of the stage."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import pandas as pd

        from neuro.base import provenance
        from neuro.demovae.evaluation import headline
        from neuro.io.formats import tables

        given, output = snakemake.input, snakemake.output
        settings = snakemake.params.config["demovae"]
        scores = tables.read_tsv(given.diagnosis[0]) if given.get("diagnosis") else None
        planted = tables.read_tsv(given.planted[0]) if given.get("planted") else None
        figures = headline.figures(
            tables.read_tsv(given.readouts),
            tables.read_tsv(given.associations),
            tables.read_tsv(given.reconstruction),
            tables.read_tsv(given.generation),
            scores,
            main=headline.main_features(settings),
            planted=planted,
        )
        if given.get("phenotypes"):
            figures += headline.scanned(tables.read_tsv(given.phenotypes[0]))
        left_out = pd.concat([tables.read_tsv(path, dtype=str) for path in given.exclusions])
        tables.write_tsv(output.exclusions, left_out.drop_duplicates())
        provenance.write_json(output.report, figures)
        provenance.dataset_description(
            "results/demovae",
            name="neuro demovae: connectomes without their demographics",
            config=settings,
        )
        log(f"{len(figures)} figures, {len(left_out)} exclusions")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
