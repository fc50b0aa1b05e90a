"""Write planted cells' responses to images, and the truth."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.base import provenance
        from neuro.io.responses.writer import write_stimulus_response
        from neuro.simulate import ln8

        settings, out = snakemake.params.settings, snakemake.output
        data, truth = ln8.ln8_twin_data(
            settings["n_per_type"],
            settings["n_images"],
            n_test=max(settings["n_images"] // 8, 20),
            random_state=snakemake.params.seed,
            n_types=settings["n_types"],
        )
        write_stimulus_response(out.data, **data)
        ln8.write_truth(out.truth, truth)
        provenance.sidecar(
            out.data, parameters=dict(settings), seed=snakemake.params.seed, packages=["numpy"]
        )
        log(f"{len(data['unit'])} cells of {settings['n_types']} types")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
