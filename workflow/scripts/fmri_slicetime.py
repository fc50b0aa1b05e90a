"""Bring the slices of one raw run to one moment; copy it where no slice times are known."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import os

        from neuro.fmri.raw import slices_run as raw_slices
        from neuro.io import InputProblem
        from neuro.io.bids import scanner as bids
        from neuro.io.formats import excluded, tables

        given, output, params = snakemake.input, snakemake.output, snakemake.params
        try:
            inside = os.path.relpath(given.bold, params.root).replace(os.sep, "/")
            note = raw_slices.shift_run(
                given.bold,
                output.bold,
                metadata=bids.metadata(params.root, inside),
                tr=params.tr,
                voxel_size=params.voxel_size,
                drop=params.settings["drop_volumes"],
                reference=params.settings["slice_reference"],
            )
        except InputProblem as problem:
            if not params.skip_bad:
                raise
            key = snakemake.wildcards.run_key
            rows = [tables.exclusion(key, "slicetime", line) for line in problem.problems]
            excluded.mark_with_reasons([output.bold], output.exclusions, rows)
            log(f"excluded: {problem.problems[0]}")
            return
        tables.write_exclusions(output.exclusions, [])
        log(note)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
