"""Read the region tables of all runs, filter them if asked for, and check them."""

from neuro import job


def main(snakemake):
    with job.run(snakemake) as log:
        import pandas as pd

        from neuro import inputs
        from neuro.fmri import tables as stage
        from neuro.fmri.run_qc import QC_COLUMNS
        from neuro.io import InputProblem, excluded, series, tables

        params = snakemake.params
        rows = [row for row in inputs.read(snakemake.input.runs) if row["status"] == "ok"]
        paths = dict(zip(params.run_keys, snakemake.output.series))
        left_out, quality, regions, done = [], [], None, set()
        for run in inputs.read_series(params.kind, params.data, rows, left_out):
            result, qc, reasons = stage.prepare(run, params.settings, regions)
            left_out += reasons
            quality += [qc | {"status": "used" if result else "excluded"}] if qc else []
            if result is None:
                continue
            regions = regions or result.regions
            done.add(run.run_key)
            series.write_series_tsv(
                paths[run.run_key],
                result.series,
                result.regions,
                result.tr,
                parameters=dict(params.settings),
            )
        if not done:
            lines = [f"{row['what']}: {row['reason']}" for row in left_out[:20]]
            raise InputProblem(lines or ["data.root: no region table could be read"])
        excluded.mark(path for key, path in paths.items() if key not in done)
        atlas = snakemake.input.get("atlas") or None
        tables.write_tsv(
            snakemake.output.regions,
            stage.region_coordinates(regions, atlas[0] if isinstance(atlas, list) else atlas),
        )
        tables.write_tsv(
            snakemake.output.qc, pd.DataFrame(quality, columns=[*QC_COLUMNS, "status"])
        )
        tables.write_exclusions(snakemake.output.exclusions, left_out)
        log(f"{len(done)} runs, {len(regions)} regions, {len(left_out)} exclusions")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
