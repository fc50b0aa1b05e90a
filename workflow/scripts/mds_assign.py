"""Type newly recorded cells from their responses to the stimuli."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.base import provenance
        from neuro.io.formats import tables
        from neuro.mds import files
        from neuro.mds.clusters.on_the_fly import assign_typed
        from neuro.mds.summary import judged

        given, out = snakemake.input, snakemake.output
        arrays, facts = files.read_stimuli(given.stimuli)
        new = files.read_new_recording(given.recording, facts["n_clusters"])
        table, kappa = assign_typed(
            new["responses"],
            arrays.get("profiles"),
            arrays.get("profile_types"),
            facts["temperature"],
            new.get("unit"),
            new.get("event"),
        )
        facts_of = {"n": len(table), "n_repeats": int(table["n_repeats"].min())}
        facts_of |= {"n_untyped": int((table["cluster"] == 0).sum()), "kappa": kappa}
        facts_of |= {"n_ties": int(table["tie"].sum()), "verdict": facts["verdict"]}
        if "known_type" in new:
            table["known_type"] = new["known_type"]
            facts_of |= judged(table)
        table["tie"] = table["tie"].astype(int)
        tables.write_tsv(out.assignments, table)
        provenance.write_json(out.found, facts_of)
        provenance.sidecar(out.assignments, inputs=list(given), packages=["numpy"])
        log(f"{len(table)} cells, {facts_of['n_untyped']} untyped, {facts_of['n_ties']} ties")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
