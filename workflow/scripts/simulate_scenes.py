"""Write small scenes and the responses of planted voxels to them."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.base import provenance
        from neuro.simulate.scenes import write_scenes

        settings, seed = dict(snakemake.params.settings), snakemake.params.seed
        path = snakemake.output.scenes
        write_scenes(path, **settings, random_state=seed)
        provenance.sidecar(path, parameters=settings, seed=seed, packages=("numpy", "h5py"))
        log(f"{settings['n_train']} + {settings['n_test']} scenes in {path}")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
