"""Gather the region series of all image runs in one file."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.base import provenance
        from neuro.fmri.regions import group
        from neuro.io.formats import tables
        from neuro.io.regions import series
        from neuro.run import inputs

        rows = {row["run_key"]: row for row in inputs.read(snakemake.input.runs)}
        people = tables.read_participants(snakemake.input.participants)
        keys = snakemake.params.run_keys
        runs = group.gather_series(snakemake.input.series, keys, rows, people)
        series.write_timeseries_h5(snakemake.output.series, runs)
        provenance.sidecar(snakemake.output.series, inputs=[run.path for run in runs])
        tables.write_tsv(snakemake.output.regions, group.region_table(snakemake.input.regions))
        log(f"{len(runs)} runs, {len(runs[0].regions)} regions")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
