# Helper functions of the stage adhd.
# Ten parts spread over the nodes of a cluster; few permutations stay in one.
PERMUTE_CHUNKS = 10 if config["adhd"]["permutations"] >= 1000 else 2


def mask_image():
    """Regions of the graphs that the user gives as an image of their own."""
    name = config["adhd"]["mask"]["regions"]
    return name if ".nii" in name else []


def node_map(name):
    """Path of a run's map of its graph."""
    stem = f"results/adhd/{{folder}}/func/{{run_key}}_stat-{name}_boldmap"
    return f"{stem}.{map_ending()}"


def places_known():
    """Whether distances between nodes are known: always in volumes, on surfaces with meshes."""
    return not on_surfaces() or bool(surface_files())


def further_maps():
    """Maps of degree by distance and of 4-cycles, where they can be made and are asked for."""
    names = ["distdegree"] if places_known() else []
    names += ["cycle4"] if config["adhd"]["cycles4"] else []
    return {name: node_map(name) for name in names}


def feature_inputs(wildcards):
    """What the features are gathered from, by level."""
    files = {
        "participants": "results/participants.tsv",
        "runs": "results/fmri/runs.tsv",
        "qc": "results/fmri/group_qc.tsv",
    }
    if "fc" in config["adhd"]["features"]:
        files["connectomes"] = "results/fmri/connectomes.h5"
    if "tangent" in config["adhd"]["features"]:
        files["series"] = "results/fmri/timeseries.h5"
    if voxels():
        files["mask"] = f"results/adhd/group_mask.{map_ending()}"
        files["regions"] = f"results/adhd/group_dseg.{map_ending()}"
        files["labels"] = "results/adhd/regions.tsv"
        files["graphs"] = run_files("adhd", "desc-graph.json")
        files["masks"] = run_files("fmri", f"desc-brain_mask.{map_ending()}")
        for name in config["adhd"]["features"]:
            if name in ("fc", "tangent") or (
                name == "distdegree" and not places_known()
            ):
                continue
            stage = "fmri" if name in kinds.RUN_MAPS else "adhd"
            files[name] = run_files(stage, f"stat-{name}_boldmap.{map_ending()}")
    else:
        files["maps"] = "results/adhd/roi_maps.h5"
        files["graphs"] = "results/adhd/graphs_roi.tsv"
        files["labels"] = "results/fmri/regions.tsv"
        if set(config["adhd"]["features"]) & set(kinds.RUN_MAPS):
            files["run_maps"] = "results/fmri/maps.h5"
    return files


def summary_inputs(wildcards):
    """What the scores and group maps are made from."""
    files = {
        "predictions": "results/adhd/predictions.tsv",
        "absent": "results/adhd/absent_baselines.tsv",
        "permutations": expand(
            "results/adhd/permutations/chunk-{chunk}.tsv", chunk=range(PERMUTE_CHUNKS)
        ),
        "features": "results/adhd/features.h5",
        "subjects": "results/adhd/subjects.tsv",
        "pattern": "results/adhd/pattern.tsv",
        "labels": "results/fmri/regions.tsv",
        "exclusions": [
            "results/adhd/exclusions_features.tsv",
            "results/adhd/exclusions_diagnose.tsv",
        ],
    }
    if config["adhd"]["targets"]:
        files["targets"] = "results/adhd/targets.tsv"
        files["exclusions"].append("results/adhd/exclusions_targets.tsv")
    if config["adhd"]["group"]["enabled"]:
        files["group"] = "results/adhd/group/model.json"
        files["exclusions"].append("results/adhd/exclusions_group.tsv")
    if compared_strategies():
        files["exclusions"].append("results/adhd/exclusions_compare.tsv")
    if INPUTS.kind == "simulated":
        files["truth"] = "results/simulated/truth.json"
    if voxels():
        files["mask"] = f"results/adhd/group_mask.{map_ending()}"
        files["labels"] = "results/adhd/regions.tsv"
    return files


def group_volumes():
    """Group maps and pattern as images, where graphs join voxels."""
    if not voxels():
        return []
    maps = [
        name
        for name in config["adhd"]["features"]
        if name not in ("fc", "tangent", "distdegree", "seed")
    ]
    columns = ("case", "control", "difference", "q")
    pattern = neuro.config.primary_maps(config["adhd"])
    return [
        *(
            f"results/adhd/group_{name}_{column}.{map_ending()}"
            for name in maps
            for column in columns
        ),
        *(
            f"results/adhd/pattern_{name}.{map_ending()}"
            for name in pattern
            if name not in ("fc", "tangent")
        ),
    ]


def adhd_jobs():
    """Rules of the stage in this run, with the wildcards of their jobs."""
    group = ["adhd_features", "adhd_diagnose", "adhd_summary"]
    group.append("adhd_mask" if voxels() else "adhd_graph_roi")
    if config["adhd"]["targets"]:
        group.append("adhd_targets")
    if config["adhd"]["group"]["enabled"]:
        group.append("adhd_group")
    if compared_strategies():
        group.append("adhd_compare")
    chunks = [{"chunk": chunk} for chunk in range(PERMUTE_CHUNKS)]
    graphs = {"adhd_graph": each_run()} if voxels() else {}
    return dict.fromkeys(group, ONCE) | {"adhd_permute": chunks} | graphs
