"""The simulated image cohort: names, determinism, and that the truth is in the images."""

import hashlib
import json
import subprocess
import sys

import nibabel
import numpy as np
import pandas as pd
import pytest

from neuro.io.formats.tables import read_participants
from neuro.simulate import bold, mni, names
from neuro.simulate.template import load_template, parcels

N_SUBJECTS = 12


@pytest.fixture(scope="module")
def template():
    return load_template(12)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    return mni.write_cohort(folder, N_SUBJECTS, voxel_mm=12, n_volumes=200, effect=0.3)


@pytest.fixture(scope="module")
def truth(cohort):
    return json.loads((cohort / "truth.json").read_text())


def _image(cohort, label, kind="bold"):
    return nibabel.load(cohort / names.run_files(label)[kind])


def _confounds(cohort, label):
    path = cohort / names.run_files(label)["confounds"]
    return pd.read_csv(path, sep="\t", na_values="n/a")


def _hashes(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_template_tissue_adds_up_inside_the_brain(template):
    total = template.gm + template.wm + template.csf
    assert np.allclose(total[template.mask], 1, atol=1e-5)
    assert not total[~template.mask].any()
    assert min(template.gm.min(), template.wm.min(), template.csf.min()) >= -1e-6


@pytest.mark.parametrize(("voxel_mm", "low", "high"), [(8, 3500, 3900), (12, 1000, 1200)])
def test_brain_volume_does_not_depend_on_the_grid(voxel_mm, low, high):
    template = load_template(voxel_mm)
    assert low < template.mask.sum() < high
    # The brain of the template fills 1.88 litres, whatever the grid.
    assert template.mask.sum() * voxel_mm**3 == pytest.approx(1.88e6, rel=0.03)
    centre = template.coords_mm.mean(axis=0)
    assert abs(centre[0]) < 1
    assert np.allclose(centre, [0, -22, 10], atol=2)


def test_template_coordinates_agree_with_the_affine(template):
    index = np.argwhere(template.mask)
    expected = nibabel.affines.apply_affine(template.affine, index)
    assert np.allclose(template.coords_mm, expected)


@pytest.mark.parametrize("voxel_mm", [3, 13, 8.5])
def test_template_refuses_other_grids_in_one_line(voxel_mm):
    with pytest.raises(ValueError, match=r"voxel_mm: got .*, expected a whole number") as caught:
        load_template(voxel_mm)
    assert "\n" not in str(caught.value)


def test_parcels_are_complete_compact_and_mirrored(template):
    labels, table = parcels(template, 20)
    grey = template.mask & (template.gm >= 0.3)
    assert np.array_equal(labels > 0, grey)
    assert [row["index"] for row in table] == list(range(1, 21))
    coords = np.full((*labels.shape, 3), np.nan)
    coords[template.mask] = template.coords_mm
    for row in table:
        inside = labels == row["index"]
        assert inside.sum() == row["n_voxels"]
        assert np.allclose(coords[inside].mean(axis=0), [row["x"], row["y"], row["z"]], atol=0.06)
    for left, right in zip(table[::2], table[1::2]):
        assert left["network"] == right["network"]
        assert left["x"] < 0 < right["x"]
        assert abs(left["y"] - right["y"]) < 8


@pytest.mark.parametrize("n_parcels", [9, 8, 31])
def test_parcels_refuse_odd_numbers(template, n_parcels):
    with pytest.raises(ValueError, match="n_parcels: got"):
        parcels(template, n_parcels)


def test_names_are_exactly_the_files_written(cohort):
    assert sorted(_hashes(cohort)) == sorted(names.cohort_files(N_SUBJECTS))


def test_names_need_only_the_standard_library():
    code = (
        "import sys; from neuro.simulate import names; names.cohort_files(3);"
        "print([m for m in ('numpy', 'pandas', 'nibabel', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_labels_grow_with_the_cohort():
    assert names.subject_labels(3) == ["01", "02", "03"]
    assert names.subject_labels(120)[0] == "001"
    assert names.run_key("07") == "sub-07_task-rest"


def test_same_parameters_same_bytes_and_other_seed_other_bytes(tmp_path):
    settings = {"voxel_mm": 12, "n_volumes": 40}
    first = _hashes(mni.write_cohort(tmp_path / "a", 2, **settings))
    again = _hashes(mni.write_cohort(tmp_path / "b", 2, **settings))
    other = _hashes(mni.write_cohort(tmp_path / "c", 2, random_state=1, **settings))
    more = _hashes(mni.write_cohort(tmp_path / "d", 3, **settings))
    assert first == again
    image = names.run_files("01")["bold"]
    assert first[image] != other[image]
    assert first["atlas.nii.gz"] == other["atlas.nii.gz"]
    # Adding a subject leaves the earlier ones alone.
    assert all(more[name] == first[name] for name in first if name.startswith("sub-"))


def test_images_share_one_grid_and_state_their_sampling_interval(cohort):
    atlas = nibabel.load(cohort / "atlas.nii.gz")
    for label in names.subject_labels(N_SUBJECTS):
        run, mask = _image(cohort, label), _image(cohort, label, "mask")
        assert run.shape == (*atlas.shape, 200) and mask.shape == atlas.shape
        assert np.allclose(run.affine, atlas.affine) and np.allclose(mask.affine, atlas.affine)
        assert run.header.get_zooms()[3] == pytest.approx(2.0)
        assert run.header.get_xyzt_units() == ("mm", "sec")
        assert int(run.header["sform_code"]) == 4
        sidecar = json.loads((cohort / names.run_files(label)["bold_json"]).read_text())
        assert sidecar["RepetitionTime"] == 2.0
        data = np.asarray(run.dataobj)
        inside = np.asarray(mask.dataobj) > 0
        assert data.dtype == np.int16
        assert not data[~inside].any()
        assert data[inside].std(axis=1).min() > 0


def test_every_fifth_subject_lacks_the_lowest_slice(cohort, truth):
    sizes = {
        label: int(np.asarray(_image(cohort, label, "mask").dataobj).sum())
        for label in names.subject_labels(N_SUBJECTS)
    }
    short = [label for label, entry in truth["subjects"].items() if entry["lowest_slice_missing"]]
    assert short == ["05", "10"]
    assert len({size for label, size in sizes.items() if label not in short}) == 1
    assert all(sizes[label] < sizes["01"] for label in short)


def test_participants_are_readable_and_every_site_has_both_groups(cohort):
    table = read_participants(cohort / "participants.tsv")
    assert list(table["participant_id"]) == names.subject_labels(N_SUBJECTS)
    assert set(table.groupby("site")["dx"].nunique()) == {2}
    assert table["iq"].isna().sum() == 1
    assert table["age"].between(8, 18).all()
    for n_subjects in (8, 16, 40):
        people = pd.DataFrame(mni.plan(n_subjects))
        assert set(people.groupby("site")["dx"].nunique()) == {2}


def test_confounds_repeat_what_is_in_the_image(cohort):
    table = _confounds(cohort, "01")
    template = load_template(12)
    data = np.asarray(_image(cohort, "01").dataobj)[template.mask].T.astype(float)
    assert np.allclose(table["global_signal"], data.mean(axis=1), rtol=1e-4)
    csf = template.csf[template.mask] > 0.6
    assert np.allclose(table["csf"], data[:, csf].mean(axis=1), rtol=1e-4)
    moves = table[list(bold.MOTION_NAMES)].to_numpy()
    slow = [np.nan]
    for now, before in zip(moves[1:], moves[:-1]):
        slow.append(sum(abs(now[:3] - before[:3])) + 50 * sum(abs(now[3:] - before[3:])))
    assert np.allclose(table["framewise_displacement"], slow, atol=1e-6, equal_nan=True)
    assert table["trans_x_derivative1"].isna().sum() == 1
    assert np.allclose(table["rot_z_power2"], table["rot_z"] ** 2, rtol=1e-6, atol=1e-15)
    assert table.shape == (200, 9 * 4 + 3)


def test_standardised_dvars_of_plain_noise_is_one():
    rng = np.random.default_rng(0)
    series = 1000 + rng.standard_normal((300, 400)) * rng.uniform(1, 20, 400)
    raw, standard = bold.dvars(series)
    scaled = series * 1000 / np.median(series)
    slow = [np.sqrt(np.mean((scaled[t] - scaled[t - 1]) ** 2)) for t in range(1, 300)]
    assert np.allclose(raw[1:], slow)
    assert np.isnan(raw[0]) and np.isnan(standard[0])
    # The root of a mean square exceeds the mean of the roots where voxels differ.
    even = 1000 + rng.standard_normal((300, 400)) * 5
    assert np.nanmean(bold.dvars(even)[1]) == pytest.approx(1, abs=0.05)


def test_planted_spikes_are_the_volumes_with_large_displacement(cohort, truth):
    found = 0
    for label, entry in truth["subjects"].items():
        table = _confounds(cohort, label)
        fd = table["framewise_displacement"].to_numpy()
        for volume in entry["spikes"]:
            assert fd[volume] > 0.5 or volume - 1 in entry["spikes"]
            found += 1
        assert np.nanmean(fd) == pytest.approx(entry["mean_fd"], rel=1e-4)
    assert found > 5


def test_restless_subject_has_less_than_four_minutes_left(template):
    labels, table = parcels(template, 20)
    brain = bold.make_brain(template, labels, table)
    moves, spikes = bold.head_motion(np.random.default_rng(0), 240, 1.0, 120)
    person = bold.Person(0, 12, False, 1, 1)
    series = bold.simulate_run(np.random.default_rng(1), brain, person, [1, 4], moves, spikes, 2)
    columns = bold.confound_table(series, moves, brain)
    kept = ~(columns["framewise_displacement"] > 0.5)
    assert kept.sum() * 2.0 < 240
    people = mni.plan(32)
    assert [p["participant_id"] for p in people if p["restless"]] == ["16", "32"]
    assert not any(p["restless"] for p in mni.plan(8))


def test_no_motion_means_no_displacement(tmp_path):
    folder = mni.write_cohort(tmp_path, 1, voxel_mm=12, n_volumes=40, motion=0)
    assert (_confounds(folder, "01")["framewise_displacement"].fillna(0) == 0).all()


def test_moving_edges_follow_the_gradient_of_the_brain(template):
    labels, table = parcels(template, 20)
    brain = bold.make_brain(template, labels, table)
    volume = bold.BASELINE * (template.gm + 0.8 * template.wm + 1.2 * template.csf)
    index = np.argwhere(template.mask)
    middle = index[np.linalg.norm(template.coords_mm, axis=1) < 40]
    where = {tuple(voxel): number for number, voxel in enumerate(index)}
    for x, y, z in middle[::20]:
        # A head that moves by +1 mm brings in what lay 1 mm before: minus the slope.
        slope = (volume[x + 1, y, z] - volume[x - 1, y, z]) / (2 * 12)
        assert brain.motion_weights[0, where[x, y, z]] == pytest.approx(-slope, abs=1e-2)
    arm = template.coords_mm - template.coords_mm.mean(axis=0)
    for axis in range(3):
        # A small turn moves a voxel by (axis x arm) mm per rad.
        moved = np.cross(np.eye(3)[axis], arm)
        expected = (moved * brain.motion_weights[:3].T).sum(axis=1)
        assert np.allclose(brain.motion_weights[3 + axis], expected, rtol=1e-3, atol=1)
    # Small deep inside, large at the rim.
    size = np.abs(brain.motion_weights[:3]).sum(axis=0)
    rim = np.linalg.norm(arm, axis=1) > 70
    assert size[rim].mean() > 3 * size[~rim & (brain.wm > 0.9)].mean()


def test_slow_noise_has_unit_variance_and_falls_with_frequency():
    noise = bold.slow_noise(np.random.default_rng(0), 400, 200, 2.0)
    assert np.allclose(noise.std(axis=0), 1, atol=1e-4)
    power = (np.abs(np.fft.rfft(noise, axis=0)) ** 2).mean(axis=1)
    f = np.fft.rfftfreq(400, 2.0)
    low = power[(f >= 0.02) & (f < 0.04)].mean()
    high = power[(f >= 0.08) & (f < 0.16)].mean()
    # 1/f: four times the frequency, a quarter of the power.
    assert high / low == pytest.approx(0.25, rel=0.15)


def test_planted_networks_stay_valid_and_follow_age_and_sex():
    young = bold.network_correlation(8, True, 5)
    old = bold.network_correlation(18, False, 5)
    assert np.linalg.eigvalsh(young).min() > 0
    assert old[0, 1] - young[0, 1] == pytest.approx(10 * bold.AGE_SLOPE)
    assert young[2, 3] - old[2, 3] == pytest.approx(bold.SEX_STEP)


def _cleaned(cohort, label, inside):
    """Ideal band, confounds filtered alike, one regression: independent of the fmri stage."""
    table = _confounds(cohort, label).fillna(0)
    keep = (table["framewise_displacement"] <= 0.5) & (table["std_dvars"] <= 1.5)
    columns = table.drop(columns=["dvars", "std_dvars", "framewise_displacement"])
    data = np.asarray(_image(cohort, label).dataobj)[inside].T.astype(float)
    both = np.concatenate([data, columns.to_numpy()], axis=1)
    both = both - both.mean(axis=0)
    spectrum = np.fft.rfft(both, axis=0)
    f = np.fft.rfftfreq(len(both), 2.0)
    spectrum[(f < 0.01) | (f > 0.08)] = 0
    both = np.fft.irfft(spectrum, len(both), axis=0)[keep]
    y, x = both[:, : data.shape[1]], both[:, data.shape[1] :]
    x = x / (x.std(axis=0) + 1e-12)
    basis, _ = np.linalg.qr(x)
    return y - basis @ (basis.T @ y)


def test_cases_share_more_variance_in_the_two_planted_regions_only(cohort, truth):
    labels = np.asarray(nibabel.load(cohort / "atlas.nii.gz").dataobj)
    masks = [
        np.asarray(_image(cohort, k, "mask").dataobj) > 0 for k in names.subject_labels(N_SUBJECTS)
    ]
    inside = np.logical_and.reduce(masks) & (labels > 0)
    region = labels[inside]
    first, second = truth["case_regions"]["index"]
    between = {0: [], 1: []}
    elsewhere = {0: [], 1: []}
    other = sorted(set(range(1, 31)) - {first, second})
    for label, entry in truth["subjects"].items():
        correlation = np.corrcoef(_cleaned(cohort, label, inside).T)
        between[entry["dx"]].append(correlation[region == first][:, region == second].mean())
        blocks = [correlation[region == a][:, region == a + 2] for a in other if a + 2 in other]
        elsewhere[entry["dx"]].append(np.mean([block.mean() for block in blocks]))
    assert min(between[1]) > max(between[0])
    assert np.mean(between[1]) - np.mean(between[0]) > 0.08
    assert abs(np.mean(elsewhere[1]) - np.mean(elsewhere[0])) < 0.03


def test_sites_differ_in_intensity_as_planted(cohort, truth):
    table = read_participants(cohort / "participants.tsv").set_index("participant_id")
    level = {"alpha": [], "beta": []}
    for label in names.subject_labels(N_SUBJECTS):
        level[table.loc[label, "site"]].append(_confounds(cohort, label)["global_signal"].mean())
    ratio = np.mean(level["beta"]) / np.mean(level["alpha"])
    planted = truth["sites"]["beta"]["intensity"] / truth["sites"]["alpha"]["intensity"]
    assert ratio == pytest.approx(planted, rel=0.02)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_subjects": 0}, "n_subjects: got 0"),
        ({"n_volumes": 10}, "n_volumes: got 10"),
        ({"tr": 0}, "tr: got 0"),
        ({"sites": ("a", "a")}, "sites: got"),
        ({"effect": 0.9}, "effect: got 0.9"),
        ({"motion": -1}, "motion: got -1"),
    ],
)
def test_parameters_out_of_range_are_one_line(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message) as caught:
        mni.write_cohort(tmp_path / "x", **settings)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "x").exists()
