"""Communities of every component against the surrogates; tables, motifs, traces."""

import json
from pathlib import Path

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.base import provenance
        from neuro.io.formats import tables
        from neuro.ntf import beside, files, stage, states, summary
        from neuro.ntf import headline as head
        from neuro.ntf.affinity.identity import Identity
        from neuro.ntf.communities import known
        from neuro.ntf.traces import back_projection

        given, out, params = snakemake.input, snakemake.output, snakemake.params
        settings, name = params.settings, snakemake.wildcards.dataset
        factors, null = files.read_factors(given.factors), files.read_nulls(given.nulls)
        names, notices = stage.backends(settings["communities"], len(factors.names))
        for notice in notices:
            log(notice)
        by_motif, statistics = summary.find_communities(
            factors, null, names, settings["communities"], params.seed, log
        )
        components = summary.component_table(factors, by_motif, settings["communities"]["alpha"])
        items = stage.load(
            params.source, given.recordings, settings["recordings"], settings["fmri_runs"]
        )
        first = by_motif[names[0]]
        projection = back_projection(
            items,
            factors,
            first,
            Identity(**settings["identity"]),
            settings["recordings"]["resample_hz"],
        )
        tables.write_tsv(out.communities, summary.community_table(factors, by_motif))
        tables.write_tsv(out.components, components)
        recurrence = beside.recurrence_of(params.source, items, factors, settings, params.seed)
        tables.write_tsv(out.recurrence, recurrence)
        compared = beside.of_set(params.source, items, factors, settings, given.known, params.seed)
        tables.write_tsv(out.baselines, compared)
        tables.write_tsv(out.states, states.state_table(factors))
        tables.write_tsv(out.transitions, states.transition_table(factors))
        compared_groups = states.compare(given.groups, factors, params.seed)
        tables.write_tsv(out.groups, compared_groups)
        tables.write_tsv(out.nulls, summary.null_table(null, statistics))
        summary.write_membership(out.membership, by_motif)
        summary.write_arrays(out.traces, projection)
        summary.write_motifs(out.motifs, factors, by_motif)
        left_out = summary.exclusions(name, files.read_axes(given.axes), components)
        tables.write_exclusions(out.exclusions, left_out)
        table, rows = known.compare(params.source, factors, first, items, given.known, params.seed)
        tables.write_tsv(out.known, table)
        shared = json.loads(Path(given.rank).read_text("utf-8"))["shared"]
        headline = head.headline(name, factors, null, components, shared, recurrence, params.source)
        rows += beside.headline(name, compared) + states.headline(name, compared_groups)
        provenance.write_json(out.report, [*rows, *headline])
        provenance.sidecar(
            out.communities,
            parameters=dict(settings["communities"]) | {"used": names},
            inputs=[given.factors, *given.nulls, *given.known],
            seed=params.seed,
            packages=["numpy", "scipy", "numba", "networkx", "igraph"],
        )
        log(f"{len(first)} components, {int(components['significant'].sum())} rows significant")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
