"""Type newly recorded cells from their responses to the stimuli."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.base import provenance
        from neuro.io.formats import tables
        from neuro.mds import files
        from neuro.mds.clusters.on_the_fly import assign
        from neuro.mds.summary import known_types

        given, out = snakemake.input, snakemake.output
        _, facts = files.read_stimuli(given.stimuli)
        new = files.read_new_recording(given.recording, facts["n_clusters"])
        table = assign(facts["n_clusters"], new["responses"], facts["temperature"], new.get("unit"))
        found = {"n": len(table), "n_repeats": int(table["n_repeats"].min())}
        found |= {"n_ties": int(table["tie"].sum()), "verdict": facts["verdict"]}
        if "known_type" in new:
            table["known_type"] = new["known_type"]
            found["ari"] = known_types(table["cluster"], table["known_type"])["known_type_ari"]
        table["tie"] = table["tie"].astype(int)
        tables.write_tsv(out.assignments, table)
        provenance.write_json(out.found, found)
        provenance.sidecar(out.assignments, inputs=list(given), packages=["numpy"])
        log(f"{len(table)} cells typed, {found['n_ties']} ties")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
