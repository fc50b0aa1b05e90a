"""Set every score beside its null distribution, its interval and the baselines."""

import json
from pathlib import Path

from neuro.base import job


def main(snakemake):
    with job.run(snakemake) as log:
        import pandas as pd

        from neuro.adhd import final
        from neuro.adhd.diagnosis import evaluate, variants
        from neuro.adhd.diagnosis.scores import recovered_regions, shared_subjects
        from neuro.adhd.features import subjects
        from neuro.adhd.features.table import FeatureTable
        from neuro.base import provenance
        from neuro.config import primary_maps
        from neuro.io.formats import tables

        given, output, params = snakemake.input, snakemake.output, snakemake.params
        settings = params.settings
        text = dict.fromkeys(("participant_id", "site", "fold", "region"), str)
        predictions = tables.read_tsv(given.predictions, dtype=text)
        permutations = variants.join_chunks([tables.read_tsv(p) for p in given.permutations])
        scores = variants.summarise(
            predictions,
            permutations,
            primary=settings["primary"],
            unavailable=tables.read_tsv(given.absent, dtype=str)["input"].tolist(),
            n_bootstrap=settings["bootstrap"],
            random_state=params.seed,
        )
        everybody = subjects.read_subjects(given.subjects)
        features = FeatureTable.load(given.features).rows(everybody["participant_id"])
        maps, nodes = final.all_group_maps(features, everybody, settings, params.seed)
        places = tables.read_tsv(given.labels, dtype=text)
        if output.get("volumes"):
            pattern = tables.read_tsv(given.pattern, dtype=text)
            final.write_volumes(output.volumes, nodes, pattern, given.mask)
        left_out = pd.concat([tables.read_tsv(path, dtype=str) for path in given.exclusions])
        tables.write_tsv(output.scores, scores)
        tables.write_tsv(output.permutations, permutations)
        tables.write_tsv(output.maps, final.with_places(maps, places))
        tables.write_tsv(output.exclusions, left_out)
        provenance.sidecar(output.scores, parameters=dict(settings), seed=params.seed)
        provenance.dataset_description(
            "results/adhd", name="neuro adhd: graph maps and diagnosis", config=settings
        )
        figures = [*evaluate.headline(scores), shared_subjects(predictions, features)]
        if given.get("targets"):
            from neuro.adhd.targets import judge

            figures += judge.headline(tables.read_tsv(given.targets))
        if given.get("group"):
            figures += json.loads(Path(given.group).read_text("utf-8"))["headline"]
        if given.get("truth"):
            planted = json.loads(Path(given.truth).read_text("utf-8"))["case_regions"]["name"]
            name, n = primary_maps(settings)[0], len(everybody)
            if (maps["map"] == name).any():
                figures.insert(0, recovered_regions(maps, planted, name, n))
        provenance.write_json(output.report, figures)
        log(f"{len(scores)} scores, {len(permutations)} permuted values")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
