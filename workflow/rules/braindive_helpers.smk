# Helper functions of the stage braindive.

from neuro.config import braindive as braindive_config
from neuro.config.checks import braindive_networks

BRAINDIVE = f"results/braindive/{braindive_config.dataset(config['braindive'])}"
BRAINDIVE_NAMES = {
    braindive_config.slug(name): name
    for name in braindive_config.objectives(config["braindive"])
}
BRAINDIVE_LARGE = config["braindive"]["generator"]["type"] != "tiny"
BRAINDIVE_SEEN = config["braindive"]["images"] != braindive_config.NO_DATA
BRAINDIVE_GIVEN = config["braindive"]["encoder"]["type"] != "fit"
BRAINDIVE_DATA = ("images", "betas", "rois", "test_images")
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
    "n_sub_regions",
    "polyak_target",
    "recurrence",
    "guide_augment",
    "edit",
    "n_seeds",
    "seed_block",
    "batch_size",
    "best_of",
)


def braindive_data(wildcards=None):
    """Files with images, responses and regions."""
    if config["braindive"]["images"] == "planted":
        return ["results/simulated/scenes.h5"]
    if not BRAINDIVE_SEEN:
        return []
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


def braindive_where(role):
    """Where an encoder's weights are, and the code of a module."""
    own = config["braindive"][role]
    return {key: own[key] for key in ("path", "module") if key in own}


def braindive_sample_settings():
    """What shapes an image: of the encoder and the generator only where their weights are."""
    own = config["braindive"]
    return {
        **settings("braindive", *BRAINDIVE_SAMPLE),
        "encoder": braindive_where("encoder"),
        "generator": {key: own["generator"][key] for key in ("type", "path", "size")},
    }


def braindive_judge_settings():
    """What the judges read: images, which voxels make an objective, and where weights are."""
    own = config["braindive"]
    keys = (*BRAINDIVE_DATA, "min_cv_r", "n_prefer", "early_areas", "panel")
    return {
        **settings("braindive", *keys, "n_sub_regions"),
        **{role: braindive_where(role) for role in ("encoder", "independent")},
        "judge": {key: own["judge"][key] for key in ("type", "path", "words")},
    }


def braindive_reconstructions(wildcards):
    """Small networks learn the decoder's pictures too, where the small generator makes them."""
    role = "judge" if wildcards.role == "category" else wildcards.role
    kind = config["braindive"][role].get("backbone", "tiny")
    if role == "encoder" and BRAINDIVE_GIVEN:
        return []
    small = kind.startswith("tiny") and not BRAINDIVE_LARGE
    return [f"{BRAINDIVE}/generator"] if small else []


def braindive_encode_device(wildcards):
    """Where a fit computes features: on a GPU only those of a network from a folder."""
    own = config["braindive"]
    if own.get(wildcards.role, {}).get("backbone") not in braindive_networks.TOWERS:
        return "cpu"
    return own["device"] if own["encode_device"] == "same" else own["encode_device"]


def braindive_encode_gpu(wildcards):
    """How many GPUs a fit asks for."""
    return int(braindive_encode_device(wildcards) != "cpu")


def braindive_encode_settings(wildcards):
    """What shapes a fit, and where it runs."""
    return {
        **settings("braindive", *BRAINDIVE_DATA, "encoder", "independent", "judge"),
        "encode_device": braindive_encode_device(wildcards),
    }


def braindive_sample_memory(wildcards, input, attempt):
    """MB for the weights as they are loaded, and working space; more at each attempt."""
    own = config["braindive"]
    base = 3000
    if BRAINDIVE_LARGE:
        from neuro.braindive.diffusion import kinds

        path, kind = own["generator"]["path"], own["generator"]["type"]
        base = 6000 + int(1.2 * kinds.size(path, kind, own["dtype"]) / 2**20)
    return attempt * base


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


def braindive_independent(wildcards):
    """The independent encoder, where responses were measured that it can be fitted on."""
    return [f"{BRAINDIVE}/independent.safetensors"] if BRAINDIVE_SEEN else []


def braindive_independent_card(wildcards):
    """Its card."""
    return [f"{BRAINDIVE}/independent_card.tsv"] if BRAINDIVE_SEEN else []


def braindive_category(wildcards):
    """The category judge, where there is one."""
    kind = config["braindive"]["judge"]["type"]
    if kind == "file":
        return [config["braindive"]["judge"]["path"]]
    return [f"{BRAINDIVE}/category.safetensors"] if kind == "cnn" else []


BRAINDIVE_NETWORKS = [
    *(
        config["braindive"][key]
        for key in ("guide_decoder_path", "content_filter_path")
    ),
    *(config["braindive"]["encoder"][key] for key in ("weights", "predictions")),
    braindive_config.module_file(config["braindive"]["encoder"]["module"] or "")
    or None,
    config["braindive"]["edit"]["image"],
    *(
        config["braindive"][key]["path"]
        for key in ("encoder", "independent", "judge", "generator")
    ),
    *(entry.partition(":")[2] or None for entry in config["braindive"]["panel"]),
]


def braindive_jobs():
    """Rules of the stage in this run, with the wildcards of their jobs."""
    own = config["braindive"]
    top = {"dataset": BRAINDIVE.rpartition("/")[2]}
    roles = ["encoder", "independent"] if BRAINDIVE_SEEN else ["encoder"]
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
