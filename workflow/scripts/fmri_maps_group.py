"""Maps of all runs: means over people, tables of regions."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.base import provenance
        from neuro.fmri.maps import group as stage
        from neuro.io.formats import tables
        from neuro.io.images import graph_maps
        from neuro.io.regions.series import text
        from neuro.run import inputs

        given, output, params = snakemake.input, snakemake.output, snakemake.params
        rows = {row["run_key"]: row for row in inputs.read(given.runs)}
        people = tables.read_participants(given.participants).set_index("participant_id")["site"]
        files = {}
        for name in params.settings["maps"]:
            files[name] = []
            parts = zip(params.run_keys, given[name], given[f"{name}_regions"], given.masks)
            for key, image, table, mask in parts:
                label = rows[key]["participant_id"]
                site = text(rows[key].get("site")) or text(people.get(label))
                files[name].append(stage.RunMaps(key, label, site, image, table, mask))
        by_run, by_region, content, left_out, used = stage.gather(files, params.settings["seeds"])
        tables.write_tsv(output.runs, by_run)
        tables.write_tsv(output.regions, by_region)
        graph_maps.write_graph_maps(output.maps, content)
        tables.write_exclusions(output.exclusions, left_out)
        for name, runs in used.items():
            if output.get(name):
                stage.write_group_volumes(name, runs, output[name], output[f"{name}_n"])
        provenance.sidecar(
            output.maps,
            parameters=dict(params.settings),
            inputs=[given.runs, given.participants],
            packages=["numpy", "nibabel"],
        )
        log(f"{len(content.run_key)} runs, {', '.join(used)}")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
