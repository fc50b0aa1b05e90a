"""Realign one raw run and find its brain mask."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.fmri.raw import realign_run as raw_realign
        from neuro.io import InputProblem
        from neuro.io.formats import excluded, tables

        given, output, params = snakemake.input, snakemake.output, snakemake.params
        files = raw_realign.RealignFiles(
            **{name: output[name] for name in ("bold", "motion", "mask", "exclusions")}
        )
        images = [output.bold, output.motion, output.mask]
        if excluded.is_excluded(given.bold):
            rows = excluded.reasons(given.get("before"))
            excluded.mark_with_reasons(images, output.exclusions, rows)
            log("the run was excluded before")
            return
        try:
            result = raw_realign.realign_run(
                given.bold,
                files,
                tr=params.tr,
                voxel_size=params.voxel_size,
                drop=params.settings["drop_volumes"],
                settings=params.settings["realign"],
                affine=given.get("affine") or None,
                target=given.get("target") or None,
            )
        except InputProblem as problem:
            if not params.skip_bad:
                raise
            key = snakemake.wildcards.run_key
            rows = [tables.exclusion(key, "realign", line) for line in problem.problems]
            excluded.mark_with_reasons(images, output.exclusions, rows)
            log(f"excluded: {problem.problems[0]}")
            return
        log(f"mean displacement {result['mean_fd']:.3f} mm, {result['n_failed']} volumes failed")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
