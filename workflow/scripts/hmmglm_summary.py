"""Headline figures and exclusions of all data sets of the stage."""

import json
from pathlib import Path

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import pandas as pd

        from neuro.base import provenance
        from neuro.io.formats import tables

        given, output = snakemake.input, snakemake.output
        entries = [
            entry for path in given.reports for entry in json.loads(Path(path).read_text("utf-8"))
        ]
        parts = []
        for path in given.exclusions:
            table = tables.read_tsv(path, dtype={"what": str})
            table["what"] = Path(path).parent.name + ": " + table["what"]
            parts.append(table)
        tables.write_exclusions(output.exclusions, pd.concat(parts).to_dict("records"))
        sets = snakemake.params.sets
        tables.write_tsv(output.sets, pd.DataFrame({"set": list(sets), "input": sets.values()}))
        provenance.dataset_description(
            Path(output.report).parent,
            name="neuro hmmglm: switching network states",
            config=snakemake.params.config,
        )
        provenance.write_json(output.report, entries)
        log(f"{len(given.reports)} sets, {len(entries)} headline figures")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
