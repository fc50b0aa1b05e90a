"""Train the twin of a data set and say which units it predicts."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import numpy as np
        import pandas as pd

        from neuro.base import provenance
        from neuro.io.formats import tables
        from neuro.mds import stage
        from neuro.mds.twin import beside

        given, out, params = snakemake.input, snakemake.output, snakemake.params
        settings, seed = params.settings, params.seed
        data = stage.load(given.data, settings, snakemake.wildcards.dataset)
        for note in data.notes:
            log(note)
        twin = stage.make_twin(data, settings, seed, log)
        corr = np.asarray(twin.test_correlation_)
        others = getattr(twin, "beside_", [])
        tables.write_tsv(out.twins, pd.DataFrame(others, columns=beside.COLUMNS))
        table, excluded, twin = stage.unit_table(data, twin, settings, seed)
        if snakemake.wildcards.dataset == "voxels":
            # The planted regions of the simulated voxels are what clusters should find.
            table["known_type"] = table["roi"]
        if given.known:
            stage.join_known(table, given.known[0])
        fs = data.fs or settings["frame_rate_hz"]
        stage.write_twin(out.twin, twin, table, stage.kept_stimuli(data, twin), data.notes, fs)
        tables.write_tsv(out.excluded, pd.DataFrame(excluded, columns=["unit", "reason"]))
        provenance.write_json(
            out.metrics,
            {
                "type": twin.kind,
                "n_units": len(corr),
                "n_used": len(table["unit"]),
                "test_corr_mean": float(corr.mean()),
                "test_corr_median": float(np.median(corr)),
                "test_corr_90": float(np.quantile(corr, 0.9)),
                "shared_stimuli": getattr(twin, "shared_", 0),
                "beside": others,
                "why": getattr(twin, "why_", ""),
                "history": getattr(twin, "history_", []),
            },
        )
        provenance.sidecar(
            out.twin,
            parameters=dict(settings),
            inputs=[given.data],
            seed=seed,
            packages=["numpy", "torch", "h5py"],
            device=settings["device"],
        )
        log(
            f"{twin.kind} twin, {len(table['unit'])} of {len(corr)} units used, mean test "
            f"correlation {corr.mean():.3f}, {len(excluded)} excluded"
        )


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
