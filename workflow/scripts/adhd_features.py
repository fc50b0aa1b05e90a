"""Gather the features of all subjects, choose who is diagnosed, make the folds."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import pandas as pd

        from neuro.adhd.features import gather as stage
        from neuro.adhd.features import subjects
        from neuro.base import provenance
        from neuro.io.formats import tables
        from neuro.run import inputs

        given, settings = snakemake.input, snakemake.params.settings
        rows = {row["run_key"]: row for row in inputs.read(given.runs)}
        names = [name for name in settings["features"] if name not in ("fc", "tangent")]
        left_out = []
        if given.get("maps"):
            table, graphs, left_out = stage.region_features(
                given.maps, given.graphs, names, settings["runs"], given.get("run_maps")
            )
        else:
            keys = snakemake.params.run_keys
            left_out = stage.without_places(name for name in names if not given.get(name))
            names = [name for name in names if given.get(name)]
            files = {name: dict(zip(keys, given[name])) for name in names}
            table, graphs = stage.voxel_features(
                files,
                dict(zip(keys, given.graphs)),
                dict(zip(keys, given.masks)),
                given.mask,
                given.regions,
                given.labels,
                {key: rows[key]["participant_id"] for key in keys},
                settings["runs"],
            )
        if given.get("connectomes"):
            table = stage.with_edges(table, given.connectomes, settings["runs"])
        if given.get("series"):
            table, without = stage.with_covariances(table, given.series, settings["runs"])
            left_out += without
        people = tables.read_participants(given.participants)
        qc = tables.read_tsv(given.qc, dtype={"participant_id": str, "run_key": str})
        cohort = subjects.gather(table.participant_id, people, qc, settings, snakemake.params.seed)
        table.rows(cohort.table["participant_id"]).save(snakemake.output.features)
        tables.write_tsv(snakemake.output.subjects, cohort.table)
        tables.write_tsv(snakemake.output.folds, cohort.folds)
        sites = people.set_index("participant_id")["site"]
        graphs = pd.DataFrame(graphs)
        graphs["site"] = graphs["participant_id"].map(sites)
        tables.write_tsv(snakemake.output.graphs, graphs)
        tables.write_exclusions(snakemake.output.exclusions, left_out + cohort.exclusions)
        for path in (snakemake.output.features, snakemake.output.folds):
            provenance.sidecar(
                path,
                parameters=dict(settings),
                inputs=[given.participants, given.qc],
                seed=snakemake.params.seed,
                packages=["numpy", "pandas", "scikit-learn"],
            )
        n = int(cohort.table["diagnosed"].sum())
        log(f"{len(cohort.table)} subjects, {n} diagnosed, {table.X.shape[1]} features")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
