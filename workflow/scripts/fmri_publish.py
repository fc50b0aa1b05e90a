"""Show the results of all runs as one derivative data set, excluded runs without files."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import pandas as pd

        from neuro.fmri.regions.group import join_exclusions
        from neuro.io.bids import publish
        from neuro.io.formats import tables
        from neuro.run import inputs

        given = snakemake.input
        log.beside += publish.publish(given.files, inputs.WORK, "results/fmri")
        of_run = {key: [] for key in snakemake.params.run_keys}
        for path in given.files:
            # a run key may begin with another one
            of_run[max((key for key in of_run if f"/{key}_" in path), key=len)].append(path)
        rows = join_exclusions(given.exclusions).to_dict("records")
        table = publish.published_table(list(of_run.items()), rows)
        tables.write_tsv(
            snakemake.output.table, pd.DataFrame(table, columns=list(publish.PUBLISHED))
        )
        left_out = sum(row["n_left_out"] > 0 for row in table)
        log(f"{len(log.beside)} files of {len(table)} runs; {left_out} runs lack some")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
