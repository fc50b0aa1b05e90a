"""Conditions on the resolved configuration: what the table of idle keys is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from neuro.config import kinds
from neuro.config.checks.braindive_networks import TOWERS
from neuro.config.mds import NAMED


def value_of(config, key: str):
    """Value of a dotted key."""
    for name in key.split("."):
        config = config[name]
    return config


@dataclasses.dataclass(frozen=True)
class When:
    """A condition on the resolved configuration, and the key that decides it."""

    key: str
    holds: Callable[[dict], bool]

    def __and__(self, other: When) -> When:
        return When(self.key, lambda config: self.holds(config) and other.holds(config))

    def __or__(self, other: When) -> When:
        return When(self.key, lambda config: self.holds(config) or other.holds(config))


def one_of(key, *values):
    return When(key, lambda config: value_of(config, key) in values)


def none_of(key, *values):
    return When(key, lambda config: value_of(config, key) not in values)


def lacks(key, *items):
    return When(key, lambda config: not set(value_of(config, key)) & set(items))


def off(key):
    return When(key, lambda config: not value_of(config, key))


def given(key):
    return When(key, lambda config: value_of(config, key) is not None)


def affinity(*wanted):
    """None of these kinds of affinity is computed."""

    def holds(config):
        kind, sources = config["ntf"]["affinity"]["kind"], set(config["ntf"]["sources"])
        published = {"edge_ts"} if "fmri" in sources else set()
        published |= {"differential"} if sources - {"fmri"} else set()
        kinds = {"auto": {"excess"}, "published": published}.get(kind, {kind})
        return not kinds & set(wanted)

    return When("ntf.affinity.kind", holds)


def search(*wanted):
    """None of these searches of communities runs."""

    def holds(config):
        own = config["ntf"]["communities"]
        used = {own["backend"], *own["beside"], *(["sbm"] if own["fallback"] else [])}
        return not used & set(wanted)

    return When("ntf.communities.backend", holds)


def no_clock(config):
    """No animals share a clock: motifs alone are fitted."""
    own = config["ntf"]
    series = own["sources"] == ["fmri"] and own["time_alignment"] != "task"
    return series or own["time_alignment"] == "none"


def no_filter(config):
    """Neither a folder of weights nor a generator that may bring one."""
    own = config["braindive"]
    tiny = own["generator"]["type"] == "tiny" or not own["generator"]["path"]
    return tiny and not own["content_filter_path"]


def no_tower(config):
    """Neither the guide nor the independent encoder is a network from a folder."""
    own = config["braindive"]
    return not {own[role]["backbone"] for role in ("encoder", "independent")} & set(TOWERS)


def no_positions(key):
    """Region tables whose regions could lie anywhere."""
    return When(key, lambda config: not kinds.knows_positions(config["data"]["kind"], config))


def one_recording(config):
    own = set(config["mds"]["input"]) - set(NAMED)
    return bool(own) and all(path.endswith((".npz", ".h5", ".hdf5")) for path in own)


def scenes_unseen(config):
    mds, dive = config["mds"], config["braindive"]
    shown = mds["enabled"] and "voxels" in mds["input"]
    return not shown and not (dive["enabled"] and dive["images"] == "planted")


TABLES = one_of("data.kind", *kinds.TABLES, "none")
CLEAN = one_of("data.kind", *kinds.TABLES, "none", kinds.DENOISED)
NO_COHORT = none_of("data.kind", "simulated")
NO_SPIKES = lacks("hmmglm.input", "spikes")
ONLY_OWN = When("mds.input", lambda config: not set(config["mds"]["input"]) & set(NAMED))
DISCRETE = one_of("mds.stimulus_space", "discrete") & ONLY_OWN
