"""The whole analysis on surrogates, at the chosen number of components."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import json
        from pathlib import Path

        from neuro.ntf import files, stage
        from neuro.ntf.communities import nulls

        given, params = snakemake.input, snakemake.params
        settings = params.settings
        items = stage.load(
            params.source, given.recordings, settings["recordings"], settings["fmri_runs"]
        )
        rank = json.loads(Path(given.rank).read_text("utf-8"))["rank"]
        events = next(iter(given.events), None)

        def build(surrogates):
            return stage.make_tensor(params.source, surrogates, settings, events)

        def fit(tensor):
            return stage.make_model(tensor, rank, settings, params.seed).fit(tensor)

        seeds = stage.null_seeds(
            params.seed, int(snakemake.wildcards.chunk), params.per_chunk, settings["n_null"]
        )
        null = nulls.null_motifs(
            items, build, fit, seeds, log, **stage.null_options(params.source, settings)
        )
        files.write_nulls(snakemake.output.null, null)
        log(f"{len(seeds)} surrogates, mean explained energy {null.explained.mean():.3f}")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
