"""Which edges and nodes go with a column of the participants table."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.adhd.features import subjects
        from neuro.adhd.features.table import FeatureTable
        from neuro.adhd.group import analysis, people
        from neuro.base import provenance
        from neuro.io.formats import tables

        given, output, params = snakemake.input, snakemake.output, snakemake.params
        settings = {**params.settings["group"], "log1p": params.settings["log1p"]}
        edges, region = analysis.read_edges(given.connectomes, params.settings["runs"])
        everybody = subjects.read_subjects(given.subjects)
        everybody = everybody[everybody["participant_id"].isin(set(edges.participant_id))]
        compared = people.compare(
            everybody.reset_index(drop=True), settings, params.settings["site_groups"]
        )
        who = compared.people["participant_id"]
        maps = FeatureTable.load(given.features).rows(who)
        result = analysis.run(edges.rows(who).X, region, maps, compared, settings, params.seed)
        for path, table in (
            (output.edges, result.edges),
            (output.nodes, result.nodes),
            (output.components, result.parts),
            (output.null, result.null),
        ):
            tables.write_tsv(path, table)
        tables.write_exclusions(output.exclusions, result.exclusions)
        facts = {**result.facts, "headline": analysis.headline(result)}
        provenance.write_json(output.model, facts)
        provenance.sidecar(
            output.edges,
            parameters=dict(params.settings),
            inputs=list(given),
            seed=params.seed,
            packages=["numpy", "scipy", "pandas", "numba"],
        )
        least = result.edges["p_fwe"].min()
        log(f"{len(who)} people, {result.facts['edges_tested']} edges, smallest p_fwe {least:.3g}")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
