"""Join the brain masks of all runs and place the regions on the group's voxels."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.adhd.graph import voxels
        from neuro.base import provenance
        from neuro.fmri.regions.owners import region_of_voxel
        from neuro.fmri.regions.surface import parcellator
        from neuro.io import InputProblem
        from neuro.io.formats import excluded, tables

        given, params, output = snakemake.input, snakemake.params, snakemake.output
        used = [path for path in given.masks if not excluded.is_excluded(path)]
        group, share = voxels.join_nodes(used, params.scope, list(given.get("surfaces") or ()))
        group.write_mask(output.mask)
        group.write(output.coverage, share)
        coords = group.coords_mm()
        if params.regions == "kmeans":
            if coords is None:
                raise InputProblem(
                    "adhd.mask.regions: kmeans needs the places of all grayordinates; give "
                    "fmri.surfaces, or use 'atlas'"
                )
            table, codes = voxels.kmeans_regions(coords)
        else:
            atlas = given.get("atlas") or params.atlas["atlas"]
            source = atlas if params.regions == "atlas" else params.regions
            parcels = parcellator(source, group.where, radius_mm=params.atlas["sphere_mm"]).fit()
            region = region_of_voxel(parcels)
            if coords is None:
                table, codes = voxels.surface_regions(parcels.labels_, region)
            else:
                table, codes = voxels.nearest_regions(
                    coords, parcels.labels_, parcels.coords_, region
                )
        group.write(output.regions, codes)
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
