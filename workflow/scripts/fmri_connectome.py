"""Compute the connectomes of all runs."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.base import provenance
        from neuro.fmri.regions import group
        from neuro.fmri.regions.connectome import Connectome
        from neuro.io.formats import excluded
        from neuro.io.regions import connectomes, series

        runs = series.read_timeseries_h5(snakemake.input.series)
        kind = snakemake.params.settings["connectome"]
        edges = Connectome(kind).transform(runs.series)
        connectomes.write_connectomes(
            snakemake.output.connectomes,
            edges,
            runs.participant_id,
            runs.run_key,
            runs.region,
            kind,
        )
        by_key = dict(zip(runs.run_key, edges))
        for key, path in zip(snakemake.params.run_keys, snakemake.output.get("relmat", [])):
            if key in by_key:
                group.write_relmat(path, by_key[key], runs.region)
            else:
                excluded.mark([path])
        provenance.sidecar(
            snakemake.output.connectomes,
            parameters=dict(snakemake.params.settings),
            inputs=[snakemake.input.series],
            packages=["numpy", "h5py"],
        )
        log(f"{len(runs)} runs, {len(runs.region)} regions, kind {kind}")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
