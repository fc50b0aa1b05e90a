"""Region series of one run, after and before denoising, with the coverage of each region."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import numpy as np

        from neuro.fmri.quality.run import orthogonal_slices
        from neuro.fmri.regions.owners import region_of_voxel
        from neuro.fmri.regions.parcellate import Parcellator
        from neuro.io.formats import excluded, tables
        from neuro.io.images import nifti
        from neuro.io.regions import series

        given, output, params = snakemake.input, snakemake.output, snakemake.params
        if excluded.is_excluded(given.denoised):
            excluded.mark(output)
            log("the run was excluded before")
            return
        settings = params.settings
        denoised = nifti.load_bold(given.denoised)
        mask = nifti.load_mask(given.mask, like=denoised.img)
        atlas = given.get("atlas") or settings["atlas"]
        parcels = Parcellator(atlas, mask, settings["min_coverage"], settings["sphere_mm"]).fit()
        images = []
        if params.kind == "xcpd":
            # The image was denoised before: there is no series from before to compare with.
            excluded.mark([output.preproc])
        else:
            preproc = nifti.load_bold(given.preproc, tr=params.tr, voxel_size=params.voxel_size)
            images.append((output.preproc, preproc))
        # The coverage that is reported below is that of the denoised series, so they come last.
        images.append((output.series, denoised))
        for path, image in images:
            series.write_series_tsv(
                path,
                parcels.transform(image),
                parcels.labels_,
                image.tr,
                parameters=dict(settings),
                inputs=[given.mask],
                packages=["numpy", "nibabel"],
                **parcels.describe(),
            )
        coverage = parcels.coverage_table().rename(columns={"label": "region"})
        tables.write_tsv(output.coverage, coverage)
        slices = orthogonal_slices(mask, atlas=region_of_voxel(parcels) + 1)
        np.savez_compressed(output.figures, **slices)
        log(f"{int(parcels.kept_.sum())} of {len(parcels.labels_)} regions covered")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
