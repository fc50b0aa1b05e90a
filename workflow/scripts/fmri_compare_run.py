"""Edges of one run under several strategies of cleaning."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import numpy as np

        from neuro.fmri.compare import run as stage
        from neuro.fmri.regions.parcellate import Parcellator
        from neuro.io import InputProblem
        from neuro.io.formats import excluded, tables

        given, output, params = snakemake.input, snakemake.output, snakemake.params
        settings, strategies = params.settings, params.settings["compare"]
        run_key, atlas = snakemake.wildcards.run_key, given.get("atlas") or settings["atlas"]

        def lost(reason):
            excluded.mark([output.edges])
            tables.write_tsv(output.rows, stage.lost_everywhere(run_key, strategies, reason))
            log(f"lost: {reason}")

        if excluded.is_excluded(given.outliers):
            lost("the run could not be read")
            return

        def parcellate(mask):
            return Parcellator(atlas, mask, settings["min_coverage"], settings["sphere_mm"]).fit()

        try:
            edges, rows, regions = stage.compare_files(
                given.bold,
                given.mask,
                given.outliers,
                parcellate,
                strategies,
                settings,
                run_key=run_key,
                kind=settings["connectome"],
                tr=params.tr,
                voxel_size=params.voxel_size,
                confounds=given.confounds or None,
                motion=given.motion or None,
                motion_order=params.motion_order,
                motion_units=params.motion_units,
            )
        except InputProblem as problem:
            if not params.skip_bad:
                raise
            lost(problem.problems[0])
            return
        np.savez_compressed(output.edges, edges=edges, regions=np.array(regions))
        tables.write_tsv(output.rows, rows)
        log(f"{int((rows['status'] == stage.USED).sum())} of {len(strategies)} strategies")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
