"""List the runs, the participants, and what the scan left out."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import pandas as pd

        from neuro.base import provenance
        from neuro.io.formats import tables
        from neuro.run import inputs, layouts

        rows = inputs.read(snakemake.input.runs)
        runs = pd.DataFrame(rows, columns=list(inputs.COLUMNS)).replace("", None)
        kind = snakemake.params.kind
        people = layouts.participants({"data": snakemake.params.data}, kind, rows)
        tables.write_tsv(snakemake.output.runs, runs)
        tables.write_tsv(snakemake.output.participants, people)
        left_out = [
            tables.exclusion(row["run_key"], "scan", row["reason"])
            for row in rows
            if row["status"] != "ok"
        ]
        usable = [row for row in rows if row["status"] == "ok"]
        # Subjects whose runs are all left out have their rows already.
        gone = {row["participant_id"] for row in rows} - {row["participant_id"] for row in usable}
        left_out += tables.unmatched(people[~people["participant_id"].isin(gone)], usable)
        tables.write_exclusions(snakemake.output.exclusions, left_out)
        for path in (snakemake.output.runs, snakemake.output.participants):
            provenance.sidecar(path, parameters=dict(snakemake.params.data), packages=["pandas"])
        log(f"{len(rows)} runs, {len(people)} participants, {len(left_out)} exclusions")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
