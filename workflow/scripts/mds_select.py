"""Keep the best restart, judge the agreement of all, write clusters, stimuli and objectives."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from functools import partial

        import numpy as np
        import pandas as pd

        from neuro.base import provenance
        from neuro.io.formats import tables
        from neuro.mds import files, stage, summary
        from neuro.mds.clusters import protocols

        given, out, params = snakemake.input, snakemake.output, snakemake.params
        twin, facts = stage.read_twin(given.twin)
        table = facts["table"]
        model = stage.model(params.settings, params.seed).select(
            files.read_runs(given.runs),
            log,
            stage.search_space(twin, facts, params.settings),
            facts["stimuli"],
            stage.fit_mask(facts),
        )
        excluded = list(tables.read_tsv(given.excluded, dtype=str).itertuples(index=False))
        tables.write_tsv(out.clusters, summary.cluster_table(model, table))
        files.write_stimuli(
            out.stimuli,
            model,
            facts["stimuli"],
            fs=facts["fs"],
            conditions=getattr(twin, "names", None),
        )
        content = summary.summary(model, table, excluded, facts["notes"])
        judge = partial(stage.even_typing, twin, table, seed=params.seed)
        content |= judge(model.stimuli_, model.labels_)
        plain = stage.plain(model, twin, table, params.seed)
        tables.write_tsv(out.baselines, pd.DataFrame(plain, columns=summary.BASELINES))
        rows = stage.typing_protocols(model, params.seed)
        tables.write_tsv(out.protocols, pd.DataFrame(rows, columns=protocols.COLUMNS))
        content["plain"] = summary.best_plain(plain)
        provenance.write_json(out.summary, content)
        tables.write_tsv(out.restarts, summary.restart_table(model))
        tables.write_tsv(out.history, summary.history_table(model))
        np.savez(out.matrices, **summary.arrays(model, table))
        n = max(params.settings["n_restarts"], 2)
        ladder = model.ladder(n, log, table["known_type"], judge)
        tables.write_tsv(out.ladder, pd.DataFrame(ladder, columns=summary.LADDER))
        tables.write_tsv(
            out.objectives,
            summary.objectives(model.labels_, table["unit"], model.verdict_, model.temperature),
        )
        provenance.sidecar(
            out.clusters,
            parameters=dict(params.settings),
            inputs=[given.twin, *given.runs],
            seed=params.seed,
            packages=["numpy", "torch", "diptest"],
            Verdict=model.verdict_,
        )
        log(f"{model.n_clusters_} clusters, J {model.objective_:.4f}: {model.verdict_}")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
