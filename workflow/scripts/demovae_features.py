"""Latents of all subjects, and their connectomes at reference demographics; for display."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import numpy as np
        import pandas as pd

        from neuro.base import provenance
        from neuro.demovae.coding import cohort
        from neuro.demovae.model import DemoVAE
        from neuro.io.formats import tables

        given, output = snakemake.input, snakemake.output
        people = cohort.load(
            given.connectomes, given.participants, snakemake.params.cohort, given.get("qc")
        )
        model = DemoVAE.load(given.model)
        Z = model.transform(people.edges)
        add_back = snakemake.params.settings["add_back"]
        edges = model.reconstruct(
            people.edges, people.demographics if add_back else None, add_back=add_back
        )
        latents = pd.DataFrame(Z, columns=[f"z{i:03d}" for i in range(Z.shape[1])])
        latents.insert(0, "run_key", people.run_key)
        latents.insert(0, "participant_id", people.participant_id)
        tables.write_tsv(output.latents, latents)
        np.savez(
            output.deconfounded,
            edges=edges,
            participant_id=people.participant_id,
            run_key=np.array(people.run_key),
            region=np.array(people.region),
        )
        for path in (output.latents, output.deconfounded):
            provenance.sidecar(
                path,
                parameters=dict(snakemake.params.settings),
                inputs=list(given),
                packages=["numpy"],
                Kind=people.kind,
                Reference={column.name: column.reference for column in model.coder_.columns},
                Note="a reference of null is the training average; fitted on all subjects: not "
                "for any prediction",
            )
        log(f"{len(Z)} runs, {Z.shape[1]} latents")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
