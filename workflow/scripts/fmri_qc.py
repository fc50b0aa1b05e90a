"""Quality control of all runs: one table, motion against connectivity, exclusions."""

import json
from pathlib import Path

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import numpy as np
        import pandas as pd

        from neuro.base import provenance
        from neuro.fmri.quality import qcfc
        from neuro.fmri.regions import group
        from neuro.fmri.regions.connectome import Connectome
        from neuro.io.formats import excluded, tables
        from neuro.io.regions import connectomes, series
        from neuro.run import inputs

        rows = {row["run_key"]: row for row in inputs.read(snakemake.input.runs)}
        people = tables.read_participants(snakemake.input.participants)
        coverage = snakemake.input.get("coverage", [])
        qc = group.group_qc(snakemake.input.qc, rows, people, coverage)
        after = connectomes.read_connectomes(snakemake.input.connectomes)
        apart = group.distances(group.region_table([snakemake.input.regions]))
        runs = qc.set_index("run_key").reindex(after.run_key).reset_index()
        runs["participant_id"] = after.participant_id
        edges = {"after": (after.edges, after.kind)}
        used = [
            path for path in snakemake.input.get("preproc", []) if not excluded.is_excluded(path)
        ]
        if used:
            raw = [series.read_series_tsv(path).series for path in used]
            edges["before"] = Connectome("fisher_z").transform(raw), "fisher_z"
        motion = {}
        for name, (values, kind) in edges.items():
            mean, fd = group.by_participant(values, runs, kind)
            if np.isfinite(fd).sum() >= qcfc.LEAST:
                motion[name] = qcfc.qc_fc(mean, fd, apart)
        parts = [trace.table(after.index, name, apart) for name, trace in sorted(motion.items())]
        columns = ["stage", "edge", "i", "j", "r", "p", "distance_mm"]
        tables.write_tsv(
            snakemake.output.qc_fc, pd.concat(parts) if parts else pd.DataFrame(columns=columns)
        )
        left_out = group.join_exclusions(snakemake.input.exclusions)
        tables.write_tsv(snakemake.output.qc, qc)
        tables.write_tsv(snakemake.output.exclusions, left_out)
        provenance.sidecar(snakemake.output.qc, parameters=snakemake.params.config["fmri"])
        provenance.dataset_description(
            "results/fmri",
            name="neuro fmri: denoised series and connectomes",
            config=snakemake.params.config,
            sources=[snakemake.params.source] if snakemake.params.source else [],
        )
        figures = group.headline(qc, len(left_out), motion)
        if snakemake.input.get("truth"):
            truth = json.loads(Path(snakemake.input.truth).read_text("utf-8"))
            figures += group.planted(qc, after.edges, after.region, truth)
        if snakemake.input.get("ledger"):
            from neuro.fmri.compare import ledger

            figures += ledger.headline(tables.read_tsv(snakemake.input.ledger))
        provenance.write_json(snakemake.output.report, figures)
        log(f"{len(qc)} runs, {len(left_out)} exclusions")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
