"""Region series of one run, after and before denoising, with the coverage of each region."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import numpy as np

        from neuro.fmri.quality.run import node_maps
        from neuro.fmri.regions.owners import region_of_voxel
        from neuro.fmri.regions.surface import parcellator
        from neuro.io.formats import excluded, tables
        from neuro.io.images import grayordinates, runs
        from neuro.io.regions import series

        given, output, params = snakemake.input, snakemake.output, snakemake.params
        if excluded.is_excluded(given.denoised):
            excluded.mark(output)
            log("the run was excluded before")
            return
        settings = params.settings
        meshes = list(given.get("surfaces") or ())
        denoised, where = runs.load_run(given.denoised, given.mask, surfaces=meshes)
        atlas = given.get("atlas") or settings["atlas"]
        parcels = parcellator(atlas, where, settings["min_coverage"], settings["sphere_mm"]).fit()
        images = []
        if params.kind == "xcpd":
            # The image was denoised before: there is no series from before to compare with.
            excluded.mark([output.preproc])
        else:
            grid = {"tr": params.tr, "voxel_size": params.voxel_size}
            preproc, _ = runs.load_run(given.preproc, given.mask, **grid)
            images.append((output.preproc, preproc))
        # The coverage that is reported below is that of the denoised series, so they come last.
        images.append((output.series, denoised))
        for path, image in images:
            result = parcels.transform(runs.run_series(image, where))
            series.write_series_tsv(
                path,
                result,
                parcels.labels_,
                image.tr,
                parameters=dict(settings),
                inputs=[given.mask],
                packages=["numpy", "nibabel"],
                **parcels.describe(),
            )
        coverage = parcels.coverage_table().rename(columns={"label": "region"})
        tables.write_tsv(output.coverage, coverage)
        if output.get("parcels"):
            axis = parcels.parcels_axis()
            grayordinates.write_series(output.parcels, result, axis, denoised.tr)
            maps = {"coverage": parcels.coverage_}
            grayordinates.write_scalars(output.parcel_coverage, maps, axis)
        slices = node_maps(where, atlas=region_of_voxel(parcels) + 1)
        np.savez_compressed(output.figures, **slices)
        log(f"{int(parcels.kept_.sum())} of {len(parcels.labels_)} regions covered")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
