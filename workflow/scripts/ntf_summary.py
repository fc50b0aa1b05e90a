"""Join the sets: headline figures, exclusions, description."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import json
        from pathlib import Path

        import pandas as pd

        from neuro.base import provenance
        from neuro.io.formats import tables

        given, out, params = snakemake.input, snakemake.output, snakemake.params
        rows = [row for path in given.reports for row in json.loads(Path(path).read_text("utf-8"))]
        left_out = pd.concat([tables.read_tsv(path, dtype=str) for path in given.exclusions])
        tables.write_tsv(out.exclusions, left_out)
        tables.write_tsv(out.sets, pd.DataFrame({"set": params.sets}))
        provenance.dataset_description(
            Path(out.report).parent,
            name="neuro ntf: dynamic connectomes and motifs",
            config=params.config,
        )
        provenance.write_json(out.report, rows)
        log(f"{len(params.sets)} sets, {len(rows)} figures, {len(left_out)} exclusions")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
