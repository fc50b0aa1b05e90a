"""Join the brain masks of all runs and place the regions on the group's voxels."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import numpy as np

        from neuro.adhd.graph import voxels
        from neuro.base import provenance
        from neuro.fmri.regions.owners import region_of_voxel
        from neuro.fmri.regions.parcellate import Parcellator
        from neuro.io.formats import excluded, tables
        from neuro.io.images import nifti

        params, output = snakemake.params, snakemake.output
        used = [path for path in snakemake.input.masks if not excluded.is_excluded(path)]
        group, coverage = voxels.join_masks(used, params.scope)
        nifti.write_map(output.mask, np.ones(int(coverage.inside.sum())), group)
        nifti.write_map(output.coverage, coverage.share, group)
        if params.regions == "kmeans":
            table, codes = voxels.kmeans_regions(nifti.mask_coords_mm(group))
        else:
            atlas = snakemake.input.get("atlas") or params.atlas["atlas"]
            source = atlas if params.regions == "atlas" else params.regions
            parcels = Parcellator(source, group, radius_mm=params.atlas["sphere_mm"]).fit()
            table, codes = voxels.nearest_regions(
                nifti.mask_coords_mm(group),
                parcels.labels_,
                parcels.coords_,
                region_of_voxel(parcels),
            )
        nifti.write_map(output.regions, codes, group)
        tables.write_tsv(output.labels, table)
        for path in (output.mask, output.regions):
            provenance.sidecar(
                path,
                parameters={"scope": params.scope, "regions": params.regions, **params.atlas},
                inputs=used,
                packages=["nibabel"],
            )
        log(f"{len(codes)} voxels, {len(table)} regions, {len(used)} masks")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
