"""What a job would refuse is refused by `resolve`, in one line."""

import itertools

import pytest

from neuro import config

BASE = {"data": {"kind": "simulated"}, "fmri": {"atlas": "simulated"}}


def problems(section, **keys):
    own = {"enabled": True, **keys} if section != "simulate" else keys
    return config.resolve({**BASE, section: own}, source="mine.yaml")


@pytest.mark.parametrize(
    ("section", "keys", "line"),
    [
        ("adhd", {"pca": []}, "adhd.pca: empty; name at least one"),
        ("adhd", {"schemes": []}, "adhd.schemes: empty; name one of pooled, leave_site_out"),
        ("adhd", {"distance_bins": []}, "adhd.distance_bins: empty; name at least one"),
        ("adhd", {"outer_folds": 1}, "adhd.outer_folds: got 1, expected a whole number >= 2"),
        ("adhd", {"distance_bins": list(range(250))}, "adhd.distance_bins: 250 bins, expected at"),
        ("adhd", {"site_groups": {"a": "b"}}, "adhd.site_groups.a: got 'b', expected a list"),
        (
            "adhd",
            {"site_groups": {"a": ["x", "y"], "b": ["z", "x"]}},
            "adhd.site_groups.b: site 'x' is in group 'a' as well; name it once",
        ),
        (
            "adhd",
            {"mask": {"rule": "none"}},
            "adhd.primary: got 'cycle3+mask', but adhd.mask.rule is 'none'; declare 'cycle3'",
        ),
        ("simulate", {"sites": []}, "simulate.sites: empty; name at least one"),
        ("demovae", {"latent_dims": []}, "demovae.latent_dims: empty; name at least one"),
        ("ntf", {"sources": []}, "ntf.sources: empty; name one of simulated, recordings, fmri"),
        ("ntf", {"ranks": [5, 2]}, "ntf.ranks: got [5, 2], expected first <= last"),
        ("hmmglm", {"n_states": []}, "hmmglm.n_states: empty; name at least one"),
        (
            "hmmglm",
            {"trial_window": [-1, 0.5], "segment_s": None},
            "hmmglm.trial_window: got [-1, 0.5], expected",
        ),
        ("hmmglm", {"n_basis": 4}, "hmmglm.n_basis: got 4, but basis 'exponential' has 1; use"),
        (
            "hmmglm",
            {"n_basis": 4, "basis": "raised_cosine"},
            "hmmglm.n_basis: got 4, expected at most the 3 bins of history of input 'fmri'",
        ),
        ("hmmglm", {"link": "exp"}, "hmmglm.link: got 'exp', but emission 'bernoulli' of input"),
        ("mds", {"input": []}, "mds.input: empty; name at least one"),
        ("mds", {"twin": {"type": "temporal"}}, "mds.twin.type: 'temporal' does not take the"),
        ("braindive", {"objectives": []}, "braindive.objectives: empty; name at least one"),
        (
            "braindive",
            {"generator": {"vae_channels": [8, 12]}},
            "braindive.generator.vae_channels: got 12, expected multiples of 8",
        ),
        (
            "braindive",
            {"generator": {"unet_channels": [24, 32]}},
            "braindive.generator.unet_channels: got 24, expected multiples of 16",
        ),
    ],
)
def test_what_a_job_would_refuse_is_one_line_at_planning(section, keys, line):
    found = problems(section, **keys)
    assert len(found) == 1
    assert found[0].startswith(f"mine.yaml: {line}")


@pytest.mark.parametrize(
    ("section", "keys"),
    [
        ("ntf", {"communities": {"beside": []}}),
        ("adhd", {"deconfound": [], "distance_bins": [0]}),
        ("adhd", {"distance_bins": list(range(249)), "site_groups": {"a": ["x"], "b": ["y"]}}),
        ("hmmglm", {"n_basis": 3, "basis": "raised_cosine"}),
        ("hmmglm", {"trial_window": [-0.5, 1], "segment_s": None}),
        ("mds", {"twin": {"type": "encoder"}}),
        ("braindive", {"generator": {"vae_channels": [8, 24], "unet_channels": [16, 48]}}),
    ],
)
def test_the_nearest_good_value_passes(section, keys):
    assert problems(section, **keys) == []


def test_a_stage_that_is_off_is_not_looked_at():
    assert config.resolve({**BASE, "adhd": {"enabled": False, "pca": []}}) == []


def test_a_list_of_distance_bins_is_as_long_as_the_graph_takes():
    from neuro.adhd.graph.distance import check_edges

    assert len(check_edges([*range(249), float("inf")])) == 250
    with pytest.raises(ValueError, match="251 edges"):
        check_edges([*range(250), float("inf")])


def _estimator_refuses(section, source):
    """Whether the model that the job makes of the section is refused by its own checks."""
    from neuro.hmmglm import OneHotHMMGLM
    from neuro.hmmglm.design.files import estimator_settings
    from neuro.hmmglm.design.history import make_basis

    options = estimator_settings({**section, "input": source})
    try:
        OneHotHMMGLM(n_states=2, model="onehot", **options).resolved()
        make_basis(options["basis"], options["n_history"], options["decay"], options["n_basis"])
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("source", ["fmri", "simulated", "spikes"])
def test_hmmglm_refuses_what_its_model_refuses_and_nothing_else(source, tmp_path):
    (tmp_path / "spikes.npz").touch()
    sets = {"sets": {"one": str(tmp_path / "spikes.npz")}} if source == "spikes" else {}
    axes = {
        "solver": ("cavi", "paper"),
        "emission": ("auto", "poisson", "bernoulli", "gaussian"),
        "link": ("auto", "softplus", "sigmoid", "linear"),
        "bias": ("auto", "per_state", "shared"),
        "diagonal": ("auto", "zero"),
        "start": ("noise", "hmm"),
        "events": ({"kind": "counts"}, {"kind": "gaussian"}),
    }
    bases = [("exponential", 1, None), ("exponential", 2, None)]
    bases += [("raised_cosine", n, past) for n in (3, 4, 5, 6) for past in (None, 4)]
    plain = {name: values[0] for name, values in axes.items()}
    combinations = [dict(zip(axes, values)) for values in itertools.product(*axes.values())]
    combinations += [
        {**plain, "basis": basis, "n_basis": n, "n_history": past} for basis, n, past in bases
    ]
    from neuro.config.checks import planning

    settings = {**BASE, "hmmglm": {"input": [source], **sets}}
    assert config.resolve(settings) == []
    wrong, refused = [], 0
    for keys in combinations:
        section = {**settings["hmmglm"], **keys}
        section["events"] = {**settings["hmmglm"]["events"], **keys["events"]}
        expected = _estimator_refuses(section, source)
        refused += expected
        if bool(list(planning._hmmglm(section))) != expected:
            wrong.append(keys)
    assert not wrong, wrong[:3]
    assert 0 < refused < len(combinations)
