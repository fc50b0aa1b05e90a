"""Degree, distance degree and 3-cycle maps of one run's voxel graph."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.adhd.graph import runs as run_graphs
        from neuro.base import provenance
        from neuro.io.formats import excluded
        from neuro.io.images import nifti

        outputs = {name: str(path) for name, path in snakemake.output.items()}
        if excluded.is_excluded(snakemake.input.bold):
            excluded.mark(outputs.values())
            log("the run was excluded before")
            return
        settings, band = snakemake.params.settings, snakemake.params.band
        bold = nifti.load_bold(snakemake.input.bold)
        mask = nifti.load_mask(snakemake.input.mask, like=bold.img)
        options = run_graphs.graph_options(settings, run_graphs.VOXEL_DENSITY)
        maps, row = run_graphs.run_graph(
            nifti.masked_series(bold.img, mask),
            nifti.mask_coords_mm(mask),
            options,
            truncate_to=settings["truncate_to"],
            n_threads=snakemake.threads,
        )
        row |= {
            "run_key": snakemake.wildcards.run_key,
            "tr": bold.tr,
            "dof": run_graphs.degrees_of_freedom(row["n_volumes"], bold.tr, band),
        }
        for name in outputs.keys() - {"graph"}:
            if maps[name].ndim == 1:
                nifti.write_map(outputs[name], maps[name], mask)
            else:
                nifti.write_series(outputs[name], maps[name].T, mask, 1.0)
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
