"""Degree, distance degree and 3-cycles of the region graphs of all runs."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import pandas as pd

        from neuro.adhd.graph import runs as run_graphs
        from neuro.base import provenance
        from neuro.io.formats import tables
        from neuro.io.images import graph_maps
        from neuro.io.regions import series

        runs = series.read_timeseries_h5(snakemake.input.series)
        places = tables.read_tsv(snakemake.input.coords, dtype={"region": str})
        coords = places[["x", "y", "z"]].to_numpy(float)
        placed = not pd.isna(coords).any()
        maps, rows = run_graphs.region_graphs(
            runs, coords if placed else None, snakemake.params.settings, snakemake.params.band
        )
        content = graph_maps.GraphMaps(maps, runs.run_key, runs.participant_id, runs.region)
        graph_maps.write_graph_maps(snakemake.output.maps, content)
        tables.write_tsv(snakemake.output.graphs, pd.DataFrame(rows))
        provenance.sidecar(
            snakemake.output.maps,
            parameters=dict(snakemake.params.settings),
            inputs=[snakemake.input.series],
            packages=["numpy", "numba", "h5py"],
        )
        log(f"{len(rows)} runs, {len(runs.region)} regions")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
