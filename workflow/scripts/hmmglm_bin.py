"""Counts of one data set, from spike times or region series."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.base import provenance
        from neuro.hmmglm import sets
        from neuro.hmmglm.design import events, files
        from neuro.io.formats import tables

        given, settings = snakemake.input, snakemake.params.settings
        fields = {}
        if settings["input"] == "fmri":
            series, kept = sets.read_runs(
                given.series, snakemake.params.run_keys, given.get("outliers", [])
            )
            binned, rows, folds, notes = sets.bin_series(series, kept, settings)
            fields = {"Note": events.BANNER, "AlikeRegions": notes}
        else:
            binned, rows, folds = sets.bin_spikes(given.files, settings, log)
        files.write_counts(snakemake.output.counts, binned, folds)
        tables.write_exclusions(snakemake.output.exclusions, rows)
        provenance.sidecar(
            snakemake.output.counts,
            parameters=settings,
            inputs=list(given),
            packages=["numpy", "scipy", "pynwb", "h5py"],
            BinSeconds=binned.bin_s,
            OriginSeconds=float(binned.table["start_s"].min()),
            **fields,
        )
        log(
            f"{len(binned.sequences)} sequences, {int(binned.table['n_bins'].sum())} bins of "
            f"{binned.bin_s:g} s, {len(binned.units)} units, {len(rows)} left out"
        )


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
