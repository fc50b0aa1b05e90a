# Helper functions of the stage braindive.

from neuro.config import braindive as braindive_config

BRAINDIVE = f"results/braindive/{braindive_config.dataset(config['braindive'])}"
BRAINDIVE_NAMES = {
    braindive_config.slug(name): name
    for name in braindive_config.objectives(config["braindive"])
}
BRAINDIVE_LARGE = config["braindive"]["generator"]["type"] != "tiny"
BRAINDIVE_DATA = ("images", "betas", "rois")
BRAINDIVE_SAMPLE = (
    "preset",
    "strength",
    "value",
    "guidance_target",
    "unet_backprop",
    "sag_scale",
    "steps",
    "scheduler",
    "guide_interval",
    "dtype",
    "device",
    "compile",
    "guide_decoder",
    "guide_decoder_path",
    "content_filter",
    "content_filter_path",
    "min_voxels",
    "min_r2",
    "min_cv_r",
    "n_prefer",
    "early_areas",
    "n_seeds",
    "seed_block",
    "batch_size",
)


def braindive_data(wildcards=None):
    """Files with images, responses and regions."""
    if config["braindive"]["images"] == "planted":
        return ["results/simulated/scenes.h5"]
    return [
        config["braindive"][key] for key in BRAINDIVE_DATA if config["braindive"][key]
    ]


def braindive_generator_input(wildcards):
    """What a generator is made from: the user's folder, or images."""
    generator = config["braindive"]["generator"]
    if generator["type"] != "tiny":
        return [generator["path"]]
    own = generator["path"] or generator["images"]
    return [*([own] if own else []), *braindive_data()]


def braindive_generator_settings():
    """What shapes the generator; all of the section in a dry run, which sums up its memory."""
    if config["braindive"]["dry"]:
        return config["braindive"]
    return settings("braindive", *BRAINDIVE_DATA, "generator")


def braindive_sample_settings():
    """What shapes an image: of the encoder and the generator only where their weights are."""
    own = config["braindive"]
    return {
        **settings("braindive", *BRAINDIVE_SAMPLE),
        "encoder": {"path": own["encoder"]["path"]},
        "generator": {key: own["generator"][key] for key in ("type", "path")},
    }


def braindive_judge_settings():
    """What the judges read: images, which voxels make an objective, and where weights are."""
    own = config["braindive"]
    keys = (*BRAINDIVE_DATA, "min_cv_r", "n_prefer", "early_areas")
    return {
        **settings("braindive", *keys),
        **{role: {"path": own[role]["path"]} for role in ("encoder", "independent")},
    }


def braindive_reconstructions(wildcards):
    """Small networks learn the decoder's pictures too; other backbones need no generator."""
    role = "judge" if wildcards.role == "category" else wildcards.role
    kind = config["braindive"][role].get("backbone", "tiny")
    return [f"{BRAINDIVE}/generator"] if kind.startswith("tiny") else []


def braindive_table(wildcards):
    """The table of objectives, where there is one."""
    table = config["braindive"]["objective_table"]
    return [table] if table else []


def braindive_blocks(wildcards):
    """Every block of every objective."""
    section = config["braindive"]
    count = -(-section["n_seeds"] // section["seed_block"])
    return expand(
        "{top}/{objective}/block-{block}.tsv",
        top=BRAINDIVE,
        objective=BRAINDIVE_NAMES,
        block=range(count),
    )


def braindive_category(wildcards):
    """The category judge, where there is one."""
    kind = config["braindive"]["judge"]["type"]
    if kind == "file":
        return [config["braindive"]["judge"]["path"]]
    return [f"{BRAINDIVE}/category.safetensors"] if kind == "cnn" else []


BRAINDIVE_NETWORKS = [
    config["braindive"][key] for key in ("guide_decoder_path", "content_filter_path")
] + [
    config["braindive"][key]["path"]
    for key in ("encoder", "independent", "judge", "generator")
]


def braindive_jobs():
    """Rules of the stage in this run, with the wildcards of their jobs."""
    own = config["braindive"]
    top = {"dataset": BRAINDIVE.rpartition("/")[2]}
    roles = ["encoder", "independent"]
    roles += ["category"] if own["judge"]["type"] == "cnn" else []
    blocks = range(-(-own["n_seeds"] // own["seed_block"]))
    return {
        "braindive_generator": [top],
        "braindive_encode": [{**top, "role": role} for role in roles],
        "braindive_sample": [
            {**top, "objective": name, "block": block}
            for name in BRAINDIVE_NAMES
            for block in blocks
        ],
        "braindive_judge": ONCE,
    }
