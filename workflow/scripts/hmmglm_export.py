"""Tables, graphs and headline figures of one data set."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.base import provenance
        from neuro.hmmglm import export
        from neuro.hmmglm.design import files
        from neuro.hmmglm.edges import graphml
        from neuro.hmmglm.model import OneHotHMMGLM
        from neuro.io.formats import tables

        given, output, settings = snakemake.input, snakemake.output, snakemake.params.settings
        binned, folds = files.read_counts(given.counts)
        model = OneHotHMMGLM.load(given.model)
        results = export.everything(
            model,
            binned,
            folds,
            files.read_sweep([given.sweep]),
            tables.read_tsv(given.curve, dtype={"model": str}),
            name=snakemake.wildcards.dataset,
            switch_s=settings["switch_s"],
            truth=files.read_truth(given.truth, binned) if given.truth else None,
            ladder=tables.read_tsv(given.ladder[0]) if given.ladder else None,
        )
        paths = dict(output.items())
        for name, table in results.tables.items():
            tables.write_tsv(paths[name], table)
        note = files.banner(settings)
        graphml.write_graphs(output.graphs, model, binned.units["unit"].tolist(), note)
        provenance.write_json(output.report, results.headline)
        provenance.sidecar(
            output.states,
            parameters=settings,
            inputs=[given.model, given.counts],
            **({"Note": note} if note else {}),
        )
        log(f"{len(results.tables['dwell'])} visits, {len(results.headline)} headline figures")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
