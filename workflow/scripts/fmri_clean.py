"""Denoise one run: censor, filter and regress jointly, smooth."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.fmri.clean.denoised import accept_image
        from neuro.fmri.clean.image import RunFiles, clean_image
        from neuro.io import InputProblem
        from neuro.io.formats import excluded

        given, params = snakemake.input, snakemake.params
        files = RunFiles(**{name: str(path) for name, path in snakemake.output.items()})
        run_key = snakemake.wildcards.run_key
        before = given.get("before")
        if before and excluded.is_excluded(given.bold):
            files.pass_on(excluded.reasons(before))
            log("the run was excluded before")
            return
        common = {
            "run_key": run_key,
            "tr": params.tr,
            "voxel_size": params.voxel_size,
            "motion": given.motion or None,
            "settings": params.settings,
            "space": params.space,
            "surfaces": list(given.get("surfaces") or ()),
        }
        try:
            if params.kind == "xcpd":
                outliers = given.outliers or None
                result = accept_image(
                    given.bold, given.mask or None, files, outliers=outliers, **common
                )
            else:
                result = clean_image(
                    given.bold,
                    given.mask or None,
                    files,
                    confounds=given.confounds or None,
                    motion_order=params.motion_order,
                    motion_units=params.motion_units,
                    **common,
                )
        except InputProblem as problem:
            if not params.skip_bad:
                raise
            files.mark_excluded(run_key, problem.problems)
            log(f"excluded: {problem.problems[0]}")
            return
        for note in result.notes:
            log(note)
        log(f"{result.qc['n_kept']} of {result.qc['n_volumes']} volumes kept")
        if result.excluded:
            log(f"excluded: {result.excluded}")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
