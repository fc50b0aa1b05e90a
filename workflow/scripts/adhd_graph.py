"""Degree, distance degree and 3-cycle maps of one run's voxel graph."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.adhd.graph import runs as run_graphs
        from neuro.base import provenance
        from neuro.io.formats import excluded
        from neuro.io.images.nodes import load_nodes

        outputs = {name: str(path) for name, path in snakemake.output.items()}
        if excluded.is_excluded(snakemake.input.bold):
            excluded.mark(outputs.values())
            log("the run was excluded before")
            return
        settings, band = snakemake.params.settings, snakemake.params.band
        surfaces = list(snakemake.input.get("surfaces") or ())
        nodes = load_nodes(snakemake.input.mask, surfaces)
        values, tr = nodes.series(snakemake.input.bold)
        options = run_graphs.graph_options(settings, run_graphs.VOXEL_DENSITY)
        maps, row = run_graphs.run_graph(
            values,
            nodes.coords_mm(),
            options,
            truncate_to=settings["truncate_to"],
            n_threads=snakemake.threads,
        )
        row |= {
            "run_key": snakemake.wildcards.run_key,
            "tr": tr,
            "dof": run_graphs.degrees_of_freedom(row["n_volumes"], tr, band),
        }
        for name in outputs.keys() - {"graph"}:
            nodes.write(outputs[name], maps[name])
            provenance.sidecar(
                outputs[name],
                parameters=settings,
                inputs=[snakemake.input.bold, snakemake.input.mask],
                packages=["numpy", "numba"],
                threads=snakemake.threads,
                Graph=row,
            )
        provenance.write_json(outputs["graph"], row)
        log(f"{row['n_nodes']} voxels, {row['n_edges']} edges, {row['n_triangles']} triangles")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
