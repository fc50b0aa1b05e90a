"""Some restarts of the search for types."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        from neuro.mds import files, stage

        params = snakemake.params
        twin, facts = stage.read_twin(snakemake.input.twin)
        path = snakemake.output.runs
        runs = stage.model(params.settings, params.seed).run(
            stage.search_space(twin, facts, params.settings),
            facts["stimuli"],
            stage.fit_mask(facts),
            restarts=stage.restarts_of(int(snakemake.wildcards.part), params.settings),
            path=f"{path}.checkpoint.npz",
            log=log,
        )
        files.write_runs(path, runs)
        stage.forget(f"{path}.checkpoint.npz")
        best = max(runs, key=lambda run: run.objective)
        log(f"{len(runs)} restarts, best J {best.objective:.4f} with {len(best.stimuli)} clusters")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
