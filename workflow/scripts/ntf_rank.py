"""Choose the number of components, or take the user's."""

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import pandas as pd

        from neuro.base import provenance
        from neuro.io.formats import tables
        from neuro.ntf import files, stage
        from neuro.ntf.factors import rank

        given, settings = snakemake.input, snakemake.params.settings
        tensor = files.read_tensor(given.values, given.axes)
        fixed = settings["rank"]
        sweep = rank.select_rank(
            tensor,
            stage.rank_range(settings, tensor) if fixed is None else [fixed],
            rule=settings["rank_rule"],
            family=stage.families(tensor),
            concatenated=stage.is_concatenated(tensor),
            solver=settings["solver"],
            n_starts=settings["n_starts"],
            # a rank that was given needs no cross-validation
            n_repeats=rank.N_REPEATS if fixed is None else 0,
            max_iter=settings["max_iter"],
            tol=settings["tol"],
            random_state=snakemake.params.seed,
            backend="numpy" if settings["device"] == "cpu" else "torch",
            device=settings["device"],
            log=log,
        )
        reason = sweep.reason if fixed is None else "fixed by the user"
        tables.write_tsv(snakemake.output.sweep, pd.DataFrame(sweep.table))
        provenance.sidecar(
            snakemake.output.sweep,
            parameters=dict(settings),
            inputs=[given.axes],
            seed=snakemake.params.seed,
            packages=["numpy", "scipy", "numba"],
        )
        provenance.write_json(
            snakemake.output.rank, {"rank": sweep.rank, "reason": reason, "shared": sweep.shared}
        )
        log(f"rank {sweep.rank}: {reason}")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
