"""Denoise one run: censor, filter and regress jointly, smooth."""

from neuro import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.fmri.image import RunFiles, clean_image
        from neuro.io import InputProblem

        given, params = snakemake.input, snakemake.params
        files = RunFiles(**{name: str(path) for name, path in snakemake.output.items()})
        run_key = snakemake.wildcards.run_key
        try:
            result = clean_image(
                given.bold,
                given.mask,
                files,
                run_key=run_key,
                tr=params.tr,
                voxel_size=params.voxel_size,
                confounds=given.confounds or None,
                motion=given.motion or None,
                motion_order=params.motion_order,
                motion_units=params.motion_units,
                settings=params.settings,
            )
        except InputProblem as problem:
            if not params.skip_bad:
                raise
            files.mark_excluded(run_key, "; ".join(problem.problems))
            log(f"excluded: {problem.problems[0]}")
            return
        for note in result.notes:
            log(note)
        log(f"{result.qc['n_kept']} of {result.qc['n_volumes']} volumes kept")
        if result.excluded:
            log(f"excluded: {result.excluded}")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
