"""Draw synthetic connectomes for given demographics."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import numpy as np

        from neuro.base import provenance
        from neuro.demovae.coding import cohort
        from neuro.demovae.model import DemoVAE
        from neuro.demovae.sampling import makers
        from neuro.demovae.sampling.generate import draw_rows
        from neuro.io import InputProblem
        from neuro.io.formats import tables

        given, output, params = snakemake.input, snakemake.output, snakemake.params
        model = DemoVAE.load(given.model)
        people = cohort.load(given.connectomes, given.participants, params.cohort, given.get("qc"))
        names = list(model.coder_.terms_)
        if given.get("grid"):
            rows = cohort.with_usual_motion(tables.read_tsv(given.grid), people.demographics, names)
            absent = [name for name in names if name not in rows]
            if absent:
                raise InputProblem(f"{given.grid}: no column '{absent[0]}'; needs {names}")
        else:
            rows = people.demographics
        rows = draw_rows(
            rows[names], params.settings["n_samples"], params.seed, bool(given.get("grid"))
        )
        draw = makers.maker(people, people.columns, model, params.settings, params.seed)
        edges = draw(rows, params.seed)
        np.savez(output.synthetic, edges=edges, region=np.array(people.region))
        tables.write_tsv(output.demographics, rows)
        repaired = params.settings["psd"] and people.kind in ("pearson", "fisher_z")
        provenance.sidecar(
            output.synthetic,
            parameters=dict(params.settings),
            inputs=[given.model],
            seed=params.seed,
            packages=["numpy"],
            Kind=people.kind,
            CorrelationMatrices=bool(repaired),
            FullRank=makers.draws_full_rank(params.settings, people.kind),
            Note="made from all participants; read the attacks in generation.tsv before you share "
            "them",
        )
        log(f"{len(edges)} synthetic connectomes of kind {people.kind}")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
