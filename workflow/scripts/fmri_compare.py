"""The ledger of the strategies: what each costs, and what motion it leaves."""

import json
from pathlib import Path

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import numpy as np
        import pandas as pd

        from neuro.base import provenance
        from neuro.fmri.compare import ledger as stage
        from neuro.fmri.regions import group
        from neuro.io import InputProblem
        from neuro.io.formats import excluded, tables
        from neuro.io.regions import compared
        from neuro.run import inputs

        given, output, params = snakemake.input, snakemake.output, snakemake.params
        strategies, kind = params.settings["compare"], params.settings["connectome"]
        people = {row["run_key"]: row["participant_id"] for row in inputs.read(given.runs)}
        rows = pd.concat([tables.read_tsv(path, dtype={"run_key": str}) for path in given.rows])
        used = [
            (key, path)
            for key, path in zip(params.run_keys, given.edges)
            if not excluded.is_excluded(path)
        ]
        if not used:
            raise InputProblem("fmri.compare: no run could be read")
        regions, stack = None, []
        for key, path in used:
            with np.load(path) as content:
                names = content["regions"].tolist()
                if regions is not None and names != regions:
                    raise InputProblem(f"{key}: its regions are not those of the other runs")
                regions = names
                stack.append(content["edges"])
        keys = [key for key, _ in used]
        edges = np.stack(stack, axis=1)
        truth = None
        if given.get("truth"):
            truth = json.loads(Path(given.truth).read_text("utf-8"))
        table = stage.ledger(
            edges,
            rows,
            strategies,
            run_keys=keys,
            people=[people[key] for key in keys],
            kind=kind,
            apart=group.distances(group.region_table([given.regions])),
            network=stage.known_networks(regions, truth),
            used=params.settings["strategy"],
            random_state=params.seed,
        )
        table["runs_lost"] += len(params.run_keys) - len(keys)
        tables.write_tsv(output.ledger, table)
        tables.write_tsv(output.rows, rows)
        content = compared.Compared(
            edges, list(strategies), keys, [people[key] for key in keys], regions, kind
        )
        compared.write_compared(output.edges, content)
        provenance.sidecar(
            output.ledger,
            parameters=dict(params.settings),
            inputs=[given.runs, given.regions],
            packages=["numpy", "networkx"],
            seed=params.seed,
        )
        log(f"{len(strategies)} strategies, {len(keys)} runs")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
