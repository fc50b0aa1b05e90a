"""The configuration: problems as lines, defaults, presets and generated files."""

import copy
import itertools
import re
from pathlib import Path

import pytest
import yaml

from neuro import config

ROOT = Path(__file__).parents[2]


def settings(**sections):
    base = {"data": {"kind": "simulated"}, "fmri": {"atlas": "simulated"}}
    return {**base, "ntf": {"enabled": False}, "hmmglm": {"enabled": False}, **sections}


def problems(**sections):
    return config.resolve(settings(**sections), source="mine.yaml")


def test_the_demo_settings_have_no_problem():
    mapping = yaml.safe_load((ROOT / "config.yaml").read_text())
    assert config.resolve(mapping) == []


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda p: p.stem)
def test_ready_settings_name_only_the_data_folder_when_it_is_absent(path, monkeypatch):
    mapping = yaml.safe_load(path.read_text())
    lines = config.resolve(mapping, source=path.name)
    assert all("no such f" in line for line in lines), lines


@pytest.mark.parametrize(
    ("sections", "line"),
    [
        ({"fmri": {"fd_m": 1}}, "mine.yaml: fmri.fd_m: unknown key; did you mean 'fd_mm'?"),
        (
            {"fmri": {"permutations": 1}},
            "mine.yaml: fmri.permutations: unknown key; it belongs under 'adhd'",
        ),
        (
            {"fmri": {"fd_mm": "high"}},
            "mine.yaml: fmri.fd_mm: got 'high', expected a number > 0 in mm (default 0.5)",
        ),
        (
            {"fmri": {"min_coverage": 1.5}},
            "mine.yaml: fmri.min_coverage: got 1.5, expected a number >= 0 and <= 1 (default 0.5)",
        ),
        (
            {"data": {"kind": "simulated", "subjects": [1]}},
            "mine.yaml: data.subjects: item 0: got integer 1; quote labels: '01'",
        ),
        (
            {"data": {"kind": "simulated", "tasks": False}},
            "mine.yaml: data.tasks: got boolean False; quote labels: 'no'",
        ),
        (
            {"data": {"kind": "nifti", "root": "nowhere"}, "fmri": {}},
            "mine.yaml: data.root: no such folder: nowhere",
        ),
        (
            {"data": {"kind": "none"}, "fmri": {"enabled": True}},
            "mine.yaml: fmri.enabled: true, but data.kind is 'none'; disable fmri or name the "
            "input in data",
        ),
        (
            {"data": {"kind": "none", "root": "x"}, "fmri": {}},
            "mine.yaml: data.root: given, but data.kind is 'none'; remove one of them",
        ),
        (
            {"fmri": {"enabled": False}, "demovae": {"enabled": False}},
            "mine.yaml: fmri.enabled: false, but adhd needs its results; disable adhd as well",
        ),
        (
            {"adhd": {"preset": "papper"}},
            "mine.yaml: adhd.preset: got 'papper', expected one of robust, paper "
            "(default 'robust'); did you mean 'paper'?",
        ),
        ({"adhdd": {}}, "mine.yaml: adhdd: unknown section; did you mean 'adhd'?"),
        (
            {"adhd": {"mask": {"rul": "top"}}},
            "mine.yaml: adhd.mask.rul: unknown key; did you mean 'mask.rule'?",
        ),
        (
            {"adhd": {"primary": "clustering+mask"}},
            "mine.yaml: adhd.primary: got 'clustering+mask', but adhd.features has no 'clustering'",
        ),
        (
            {"fmri": {"band": [0.08, 0.01], "atlas": "simulated"}},
            "mine.yaml: fmri.band: got [0.08, 0.01], expected low < high in Hz",
        ),
        (
            {"adhd": {"harmonise": "location_scale"}},
            "mine.yaml: adhd.harmonise: an unseen site cannot be harmonised; set "
            "adhd.transductive: true or drop leave_site_out from adhd.schemes",
        ),
        (
            {"fmri": {"enabled": False}, "adhd": {"enabled": False}},
            "mine.yaml: fmri.enabled: false, but demovae needs its results; disable demovae as "
            "well",
        ),
        (
            {"demovae": {"grid": "absent.tsv"}},
            "mine.yaml: demovae.grid: no such file: absent.tsv",
        ),
        ({"fmri": 3}, "mine.yaml: fmri: got 3, expected a mapping of keys"),
        (
            # 0010010 without quotes
            {"data": {"kind": "simulated", "subjects": [4104]}},
            "mine.yaml: data.subjects: item 0: got integer 4104; quote all labels (unquoted, 0010 "
            "is read as 8)",
        ),
    ],
)
def test_a_mistake_is_one_line_that_names_key_and_fix(sections, line):
    assert problems(**sections) == [line]


@pytest.mark.parametrize("data", [{"kind": "none"}, {"kind": "xcpd", "root": "."}])
def test_types_are_sought_in_simulated_data_or_where_an_input_is_named(data):
    def enabled(**sections):
        mapping = {"data": data, "adhd": {"enabled": False}, **sections}
        assert config.resolve(mapping) == []
        return mapping["mds"]["enabled"]

    assert enabled(data={"kind": "simulated"})
    assert not enabled()
    assert not enabled(mds={"enabled": False})
    assert not enabled(mds={"enabled": False, "eta": 0.2})
    assert enabled(mds={"input": ["planted"]})
    for given in ({"enabled": True}, {"n_restarts": 8}):
        lines = config.resolve({"data": data, "adhd": {"enabled": False}, "mds": given})
        assert lines == ["config.yaml: mds.input: missing; name stimulus-response data, or planted"]


def test_an_empty_file_is_one_line():
    assert config.resolve({}, source="mine.yaml") == [
        "mine.yaml: the file is empty; start from config.yaml or configs/"
    ]
    assert len(config.resolve(None)) == 1


def test_five_mistakes_are_five_lines_sorted_by_key():
    lines = problems(
        fmri={"fd_mm": -1, "zzz": 1, "band": [1], "atlas": "simulated"},
        adhd={"pca": [0], "log1p": "maybe"},
    )
    assert len(lines) == 5
    assert lines == sorted(lines)
    assert all(len(line) <= 160 and "\n" not in line for line in lines)


def test_numbers_may_arrive_as_text_but_labels_may_not():
    mapping = settings(execution={"seed": "3"}, fmri={"fd_mm": "1e-3", "atlas": "simulated"})
    assert config.resolve(mapping) == []
    assert mapping["execution"]["seed"] == 3
    assert mapping["fmri"]["fd_mm"] == 1e-3
    assert len(problems(data={"kind": "simulated", "sessions": [2]})) == 1


def test_whole_number_refuses_fractions_and_booleans():
    for value in (2.5, True, "x", float("nan")):
        assert len(problems(execution={"seed": value})) == 1


def test_given_keys_beat_the_preset_and_the_preset_beats_defaults():
    mapping = settings(fmri={"preset": "paper", "drop_volumes": 0, "atlas": "simulated"})
    given = copy.deepcopy(mapping)
    assert config.resolve(mapping) == []
    assert mapping["fmri"]["drop_volumes"] == 0
    assert mapping["fmri"]["strategy"] == "athena"
    assert mapping["fmri"]["smooth_mm"] == 6.0
    origin = config.origins(given)
    assert origin["fmri.drop_volumes"] == "user"
    assert origin["fmri.strategy"] == "preset"
    assert origin["fmri.smooth_mm"] == "default"


def test_a_density_of_the_user_beats_the_threshold_of_the_preset():
    mapping = settings(adhd={"preset": "paper", "density": 0.03})
    assert config.resolve(mapping) == []
    assert mapping["adhd"]["threshold"] is None


def test_resolving_twice_changes_nothing():
    mapping = settings()
    assert config.resolve(mapping) == []
    again = copy.deepcopy(mapping)
    assert config.resolve(again) == []
    assert again == mapping


def test_defaults_are_not_shared_between_calls():
    first, second = settings(), settings()
    config.resolve(first)
    first["adhd"]["pca"].append(999)
    config.resolve(second)
    assert second["adhd"]["pca"] == [10, 20, 40, 80]


def test_defaults_satisfy_their_own_rules():
    from neuro.config.model import walk
    from neuro.config.resolve import check
    from neuro.config.sections import section_class

    for name in config.SECTIONS:
        for key, entry in walk(section_class(name)):
            assert check(entry, entry.default)[1] is None, f"{name}.{key}"
            assert entry.doc.endswith("."), f"{name}.{key}"


def test_presets_name_existing_keys_with_valid_values():
    from neuro.config.model import walk
    from neuro.config.resolve import check
    from neuro.config.sections import STAGES, presets, section_class

    for name in STAGES:
        options = dict(walk(section_class(name)))
        for preset in presets(name).values():
            for key, value in preset.items():
                assert check(options[key], value)[1] is None


def test_schema_agrees_with_resolve():
    import jsonschema

    mapping = settings()
    config.resolve(mapping)
    jsonschema.Draft202012Validator(config.schema()).validate(mapping)
    mapping["fmri"]["zzz"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(config.schema()).validate(mapping)


def test_generated_files_are_in_sync():
    from neuro.config.generate import documents

    for path, text in documents().items():
        assert (ROOT / path).read_text("utf-8") == text, f"{path}: run python -m neuro.config"


def test_the_wrong_item_of_a_list_is_named_with_its_neighbour():
    (line,) = config.resolve({"adhd": {"features": ["degree", "cycles3"]}}, source="mine.yaml")
    assert line.startswith(
        "mine.yaml: adhd.features: item 1: got 'cycles3'; did you mean 'cycle3'? a list from degree"
    )


def _strategies():
    """Names of nilearn and near misses, alone and in pairs."""
    words = [
        *("motion", "motion=power2", "wm_csf=full", "global_signal=derivatives", "high_pass"),
        *("compcor", "compcor=anat_separated", "compcor=temporal_anat_combined:5", "scrub"),
        *("ica_aroma=basic", "non_steady_state", "motion=fast", "compcor=anat", "wm", "tedana"),
        *("ica_aroma", "compcor=temporal:x", "motion=", "high_pass=full"),
    ]
    return [*words, *("+".join(pair) for pair in itertools.product(words, repeat=2))]


def test_the_settings_take_the_components_that_the_stage_takes():
    from neuro.config.fmri import COMPONENTS
    from neuro.fmri.clean.noise_components import parse
    from neuro.io.problems import InputProblem

    refused = 0
    for text in _strategies():
        try:
            known = parse(text) is not None
        except InputProblem:
            known = False
        assert bool(re.fullmatch(COMPONENTS, text)) == known, text
        refused += not known
    assert 50 < refused < 350


def test_components_reach_the_settings_and_scrub_is_not_contradicted():
    mapping = settings(fmri={"atlas": "simulated", "strategy": "motion=full+high_pass+scrub"})
    assert config.resolve(mapping) == []
    assert mapping["fmri"]["strategy"] == "motion=full+high_pass+scrub"
    lines = problems(fmri={"atlas": "simulated", "strategy": "motion+scrub", "scrub": False})
    assert len(lines) == 1 and "fmri.strategy names scrub; choose one of them" in lines[0]
    lines = problems(fmri={"atlas": "simulated", "strategy": "motion=fast"})
    assert len(lines) == 1 and "fmri.strategy: got 'motion=fast'" in lines[0]
