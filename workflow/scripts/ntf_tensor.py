"""Affinities of all animals of a set as one tensor on disk."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.base import provenance
        from neuro.ntf import files, stage

        given, params = snakemake.input, snakemake.params
        items = stage.load(
            params.source,
            given.recordings,
            params.settings["recordings"],
            params.settings["fmri_runs"],
        )
        tensor = stage.make_tensor(
            params.source,
            items,
            params.settings,
            next(iter(given.events), None),
            snakemake.output.values,
        )
        files.write_axes(snakemake.output.axes, tensor)
        provenance.sidecar(
            snakemake.output.axes,
            parameters=dict(params.settings),
            inputs=[*given.recordings, *given.events],
            packages=["numpy", "scipy", "numba"],
            AffinityKind=tensor.kind,
            AffinitySign=tensor.sign,
            TimeAlignment=tensor.time_alignment,
            BinsPerSecond=tensor.fs,
        )
        for note in tensor.notes:
            log(note)
        silent = sum(len(names) for names in tensor.silent.values())
        log(f"{tensor.values.shape} bins x animals x pairs, {silent} silent traces")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
