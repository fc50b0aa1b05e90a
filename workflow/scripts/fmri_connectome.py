"""Gather the region series of all runs and compute their connectomes."""

from neuro import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro import inputs, provenance
        from neuro.fmri import group
        from neuro.fmri.connectome import Connectome
        from neuro.io import connectomes, excluded, series, tables

        rows = {row["run_key"]: row for row in inputs.read(snakemake.input.runs)}
        people = tables.read_participants(snakemake.input.participants)
        keys = snakemake.params.run_keys
        runs = group.gather_series(snakemake.input.series, keys, rows, people)
        kind = snakemake.params.settings["connectome"]
        edges = Connectome(kind).transform([run.series for run in runs])
        series.write_timeseries_h5(snakemake.output.series, runs)
        connectomes.write_connectomes(
            snakemake.output.connectomes,
            edges,
            [run.participant_id for run in runs],
            [run.run_key for run in runs],
            runs[0].regions,
            kind,
        )
        tables.write_tsv(snakemake.output.regions, group.region_table(snakemake.input.regions))
        by_key = dict(zip((run.run_key for run in runs), edges))
        for key, path in zip(keys, snakemake.output.relmat):
            if key in by_key:
                group.write_relmat(path, by_key[key], runs[0].regions)
            else:
                excluded.mark([path])
        for path in (snakemake.output.series, snakemake.output.connectomes):
            provenance.sidecar(
                path,
                parameters=dict(snakemake.params.settings),
                inputs=[run.path for run in runs],
                packages=["numpy", "h5py", "scikit-learn"],
            )
        log(f"{len(runs)} runs, {len(runs[0].regions)} regions, kind {kind}")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
