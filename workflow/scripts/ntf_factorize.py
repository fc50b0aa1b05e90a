"""Fit the chosen number of components."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import json
        from pathlib import Path

        from neuro.base import provenance
        from neuro.io.formats import tables
        from neuro.ntf import files, stage, summary

        given, params = snakemake.input, snakemake.params
        tensor = files.read_tensor(given.values, given.axes)
        rank = json.loads(Path(given.rank).read_text("utf-8"))["rank"]
        model = stage.make_model(tensor, rank, params.settings, params.seed).fit(tensor)
        files.write_factors(snakemake.output.factors, model, tensor)
        factors = files.read_factors(snakemake.output.factors)
        tables.write_tsv(snakemake.output.presence, summary.presence_table(factors))
        tables.write_tsv(snakemake.output.time_map, summary.time_map_table(factors))
        provenance.sidecar(
            snakemake.output.factors,
            parameters=dict(params.settings) | {"rank": rank},
            inputs=[given.axes],
            seed=params.seed,
            packages=["numpy", "scipy", "numba"],
            device=params.settings["device"],
            Model=model.kind,
            AffinityKind=tensor.kind,
        )
        if model.n_dropped_:
            log(f"{model.n_dropped_} components ended at weight 0 and were dropped")
        log(
            f"{model.kind} model, {len(model.lambda_)} components, explained {model.explained_:.3f}"
        )


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
