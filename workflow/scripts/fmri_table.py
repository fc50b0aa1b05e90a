"""Read the region tables of all runs, filter them if asked for, and check them."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import pandas as pd

        from neuro.base import provenance
        from neuro.fmri.quality.run import QC_COLUMNS
        from neuro.fmri.regions import tables as stage
        from neuro.io.formats import tables
        from neuro.io.regions import series
        from neuro.run import inputs, layouts

        params = snakemake.params
        rows = [row for row in inputs.read(snakemake.input.runs) if row["status"] == "ok"]
        left_out, quality = [], []
        constant = params.settings.get("constant_regions", "missing")
        source = layouts.read_series(params.kind, params.data, rows, left_out, constant)
        beside = {row["run_key"]: (row.get("outliers"), row.get("motion")) for row in rows}
        runs = stage.usable(source, params.settings, quality, left_out, beside)
        series.write_timeseries_h5(snakemake.output.series, runs)
        regions = series.read_regions(snakemake.output.series)
        atlas = snakemake.input.get("atlas") or None
        tables.write_tsv(snakemake.output.regions, stage.region_coordinates(regions, atlas))
        columns = [*QC_COLUMNS, "status"]
        tables.write_tsv(snakemake.output.qc, pd.DataFrame(quality, columns=columns))
        left_out += stage.remarks(pd.DataFrame(quality, columns=columns), rows, params.settings)
        tables.write_exclusions(snakemake.output.exclusions, left_out)
        provenance.sidecar(
            snakemake.output.series,
            parameters=dict(params.settings),
            inputs=snakemake.input.tables,
            packages=["numpy", "pandas", "h5py"],
        )
        log(f"{len(rows)} tables, {len(regions)} regions, {len(left_out)} exclusions")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
