"""What a kind of input allows: one line with key and fix, and a strategy that is named."""

import pytest

from neuro import config
from neuro.config import kinds


def resolved(**sections):
    mapping = {"data": {"kind": "auto", "root": "."}, "adhd": {"enabled": False}, **sections}
    lines = config.resolve(mapping, source="mine")
    return mapping, lines


@pytest.mark.parametrize(
    ("kind", "has_tables", "name"),
    [
        ("simulated", True, "36P"),
        ("fmriprep", True, "36P"),
        ("nifti", True, "36P"),
        ("nifti", False, "24P"),
        ("bids", False, "24P"),
        ("xcpd", False, "none"),
        ("table", False, "none"),
        ("adhd200", False, "none"),
    ],
)
def test_the_automatic_strategy_is_named_with_a_reason(kind, has_tables, name):
    found, why = kinds.strategy(kind, "auto", has_tables=has_tables)
    assert found == name
    assert why


def test_a_named_strategy_is_never_changed():
    assert kinds.strategy("bids", "acompcor_lite") == ("acompcor_lite", "")


NEED_TABLES = ["motion+wm_csf", "high_pass+compcor=temporal:5", "global_signal", "ica_aroma=basic"]


@pytest.mark.parametrize("name", ["36P", "36P_nogsr", "acompcor", "athena", *NEED_TABLES])
def test_raw_images_refuse_strategies_that_need_tissue(name, tmp_path):
    atlas = tmp_path / "a.nii.gz"
    atlas.write_bytes(b"x")
    fmri = {"strategy": name, "atlas": str(atlas)}
    _, lines = resolved(data={"kind": "bids", "root": "."}, fmri=fmri)
    assert lines == [
        f"mine: fmri.strategy: '{name}' needs white matter and CSF signals, raw BIDS has none; "
        "use 24P or acompcor_lite"
    ]


@pytest.mark.parametrize("name", ["auto", "6P", "24P", "acompcor_lite", "none", "motion=power2"])
def test_raw_images_take_the_others(name, tmp_path):
    atlas = tmp_path / "a.nii.gz"
    atlas.write_bytes(b"x")
    _, lines = resolved(
        data={"kind": "bids", "root": "."}, fmri={"strategy": name, "atlas": str(atlas)}
    )
    assert lines == []


def test_the_paper_preset_on_raw_images_is_one_line_about_the_strategy(tmp_path):
    atlas = tmp_path / "a.nii.gz"
    atlas.write_bytes(b"x")
    mapping, lines = resolved(
        data={"kind": "bids", "root": "."}, fmri={"preset": "paper", "atlas": str(atlas)}
    )
    assert len(lines) == 1 and "fmri.strategy: 'athena' needs" in lines[0]
    assert mapping["fmri"]["slice_reference"] == "middle_slice"
    assert mapping["fmri"]["drop_volumes"] == 4
    assert mapping["fmri"]["realign"]["reference"] == "first"


def test_template_coordinates_on_native_images_are_refused_in_one_line():
    _, lines = resolved(data={"kind": "bids", "root": "."})
    assert lines == [
        "mine: fmri.atlas: power264 holds template coordinates, raw BIDS stays native; give "
        "fmri.normalise.affine or an atlas image"
    ]
    affine = {"affine": "xfm/sub-{participant_id}.txt"}
    _, lines = resolved(data={"kind": "bids", "root": "."}, fmri={"normalise": affine})
    assert lines == []


def test_voxel_graphs_of_native_images_are_refused(tmp_path):
    atlas = tmp_path / "a.nii.gz"
    atlas.write_bytes(b"x")
    _, lines = resolved(
        data={"kind": "bids", "root": "."},
        fmri={"atlas": str(atlas)},
        adhd={"level": "voxel"},
    )
    assert len(lines) == 1 and lines[0].startswith("mine: adhd.level: voxels of native images")


def test_derivatives_in_native_space_count_as_native():
    mapping, _ = resolved()
    lines = kinds.problems("fmriprep", mapping, space="T1w")
    assert len(lines) == 1 and "the images are in space T1w" in lines[0]
    assert kinds.problems("fmriprep", mapping, space="MNI152NLin2009cAsym") == []
    # bare template images carry no space in their names
    assert kinds.problems("nifti", mapping, space="native") == []


@pytest.mark.parametrize(
    ("kind", "fmri", "line"),
    [
        ("xcpd", {"strategy": "24P"}, "XCP-D data are denoised already; set it to auto"),
        ("fmriprep", {"normalise": {"affine": "a.txt"}}, "fmri.normalise.affine: only for raw"),
        ("bids", {"normalise": {"target": "t.nii.gz"}}, "fmri.normalise.target: given without"),
        (
            "bids",
            {"normalise": {"affine": "a.txt", "target": "no.nii.gz"}},
            "fmri.normalise.target: no such file: no.nii.gz",
        ),
        ("bids", {"normalise": {"affine": "{subject}.txt"}}, "only {participant_id} and {session}"),
        ("bids", {"slice_timing": "on"}, "expected one of auto, off"),
        ("bids", {"realign": {"reference": "last"}}, "expected one of first, mean"),
        ("bids", {"realign": {"fwhm_mm": 0}}, "expected a number > 0 in mm"),
    ],
)
def test_settings_that_a_kind_cannot_serve_are_one_line(kind, fmri, line):
    _, lines = resolved(data={"kind": kind, "root": "."}, fmri=fmri)
    assert sum(line in found for found in lines) == 1, lines
    assert all(len(found) <= 160 for found in lines)


def test_motion_alone_cannot_serve_36_parameters():
    mapping, _ = resolved(fmri={"strategy": "36P"})
    lines = kinds.problems("nifti", mapping, has_tables=False)
    assert len(lines) == 1 and "use 24P" in lines[0]
    assert kinds.problems("nifti", mapping, has_tables=True) == []


@pytest.mark.parametrize("atlas", ["power264", "regions.nii.gz"])
@pytest.mark.parametrize("kind", ["table", "adhd200", "fmriprep"])
def test_degree_by_distance_is_left_out_where_regions_have_no_places(kind, atlas, tmp_path):
    (tmp_path / "regions.nii.gz").write_bytes(b"x")
    path = str(tmp_path / atlas) if ".nii" in atlas else atlas
    mapping, _ = resolved(
        data={"kind": kind, "root": "."}, adhd={"enabled": True}, fmri={"atlas": path}
    )
    known = kind == "fmriprep" or ".nii" in atlas
    assert kinds.knows_positions(kind, mapping) == known
    notes = kinds.left_out(kind, mapping)
    assert [line.split(":")[0] for line in notes] == ([] if known else ["adhd.features"])
    # the default settings go on without it, only a result that was declared is missed
    assert kinds.problems(kind, mapping) == []
    mapping["adhd"]["primary"] = "distdegree+mask"
    lines = kinds.problems(kind, mapping)
    assert len(lines) == (0 if known else 1)
    assert all("fmri.atlas a label image" in line for line in lines)
    mapping["adhd"]["enabled"] = False
    assert kinds.left_out(kind, mapping) == kinds.problems(kind, mapping) == []


def test_methods_count_degrees_by_distance_only_where_they_were_counted():
    mapping, _ = resolved(data={"kind": "table", "root": "."}, adhd={"enabled": True})
    said = str(config.methods(mapping))
    assert "degree and the number of 3-cycles" in said and "distance bins" not in said
    mapping["data"]["kind"] = "fmriprep"
    assert "degree in distance bins" in str(config.methods(mapping))


def test_region_series_of_two_intervals_are_two_sets_named_by_milliseconds():
    from neuro.config.hmmglm_sets import sets

    runs = {name: {"tr": tr} for name, tr in (("a", 2.0), ("b", 0.72), ("c", 2.0))}
    assert sets({"input": ["fmri"], "sets": {}}, runs) == {
        "tr720": ("fmri", ["b"]),
        "tr2000": ("fmri", ["a", "c"]),
    }
