"""Join the data sets: headline figures, exclusions, description."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from pathlib import Path

        import pandas as pd

        from neuro.base import provenance
        from neuro.io.formats import tables
        from neuro.mds import headlines, summary

        given, out, params = snakemake.input, snakemake.output, snakemake.params
        by_set = dict(zip(params.sets, (summary.read_json(path) for path in given.summaries)))
        typed = dict(zip(params.typed, (summary.read_json(path) for path in given.typed)))
        metrics = dict(zip(params.sets, (summary.read_json(path) for path in given.metrics)))
        rows = [
            row
            for name, facts in by_set.items()
            for row in headlines.headline(
                name,
                facts,
                params.config["mds"]["planted"] if name == "planted" else None,
                typed.get(name),
                metrics[name]["shared_stimuli"],
                metrics[name]["beside"],
            )
        ]
        left_out = [
            tables.exclusion(f"unit {unit} of {name}", "twin", reason)
            for name, path in zip(params.sets, given.excluded)
            for unit, reason in tables.read_tsv(path, dtype=str).itertuples(index=False)
        ]
        tables.write_exclusions(out.exclusions, left_out)
        tables.write_tsv(out.sets, pd.DataFrame({"set": params.sets}))
        provenance.dataset_description(
            Path(out.report).parent,
            name="neuro mds: functional types and most discriminative stimuli",
            config=params.config,
        )
        provenance.write_json(out.report, rows)
        log(f"{len(params.sets)} data sets, {len(rows)} figures, {len(left_out)} exclusions")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
