"""Maps of one run: amplitude of slow fluctuations, homogeneity of neighbours, seeds."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.base import provenance
        from neuro.fmri.maps import run as stage
        from neuro.fmri.regions.parcellate import Parcellator
        from neuro.io.formats import excluded, tables
        from neuro.io.images import nifti

        given, output, params = snakemake.input, snakemake.output, snakemake.params
        if excluded.is_excluded(given.denoised):
            excluded.mark(output)
            log("the run was excluded before")
            return
        settings = params.settings
        maps, mask = stage.maps_of_files(
            given.denoised,
            given.mask,
            given.outliers,
            settings["maps"],
            settings,
            preproc=given.get("preproc"),
            confounds=given.get("confounds"),
            tr=params.tr,
            voxels=params.voxel_size,
        )
        atlas = given.get("atlas") or settings["atlas"]
        parcels = Parcellator(atlas, mask, settings["min_coverage"], settings["sphere_mm"]).fit()
        means = stage.region_means(maps, parcels)
        side = {
            "parameters": dict(settings),
            "inputs": [given.denoised, given.mask, given.outliers],
            "packages": ["numpy", "numba", "nibabel"],
            "SkullStripped": True,
        }
        for name, values in maps.items():
            if name == "seed":
                side["Seeds"] = settings["seeds"]
                nifti.write_series(output[name], values.T, mask, 1.0)
            else:
                nifti.write_map(output[name], values, mask)
            tables.write_tsv(output[f"{name}_regions"], means[name])
            provenance.sidecar(output[name], **side)
        log(f"{', '.join(maps)} of {len(next(iter(maps.values())))} voxels")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
