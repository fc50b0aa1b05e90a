"""Motion files: each program's order and units end up in the same six columns."""

import warnings

import numpy as np
import pytest

from neuro.io.bids.motion import read_motion
from neuro.io.problems import InputProblem


def motion(n_timepoints=40, seed=0):
    """Translations (mm) and rotations (rad) that wander a little."""
    steps = np.random.default_rng(seed).standard_normal((n_timepoints, 6))
    return np.cumsum(steps * [0.03, 0.03, 0.03, 4e-4, 4e-4, 4e-4], axis=0)


def write(path, values):
    np.savetxt(path, values, fmt="%.9g")
    return path


def test_presets_and_orders_agree(tmp_path):
    m = motion()
    x, y, z, rx, ry, rz = m.T
    degrees = np.rad2deg(m[:, 3:])
    # 3dvolreg: roll (z), pitch (x), yaw (y) in degrees, then superior, left, posterior in mm
    afni = np.column_stack([np.rad2deg(rz), -np.rad2deg(rx), -np.rad2deg(ry), z, -x, -y])
    cases = {
        "spm": (m, ("spm", None)),
        "fsl": (m[:, [3, 4, 5, 0, 1, 2]], ("fsl", None)),
        "afni": (afni, ("afni", None)),
        "first": (m, ("translations_first", "radians")),
        "last": (np.column_stack([degrees, m[:, :3]]), ("rotations_first", "degrees")),
        "short": (np.column_stack([m[:, :3], degrees]), ("translations_first", "deg")),
    }
    for name, (values, settings) in cases.items():
        found = read_motion(write(tmp_path / f"{name}.txt", values), *settings)
        np.testing.assert_allclose(found, m, atol=1e-8, err_msg=name)


def test_the_long_file_of_3dvolreg(tmp_path):
    values = np.column_stack([np.arange(40), motion(), np.zeros((40, 2))])
    long = read_motion(write(tmp_path / "d.1D", values), "afni")
    short = read_motion(write(tmp_path / "s.1D", values[:, 1:7]), "afni")
    np.testing.assert_array_equal(long, short)


def test_named_columns_need_no_settings(tmp_path):
    m = motion()
    table = np.column_stack([np.zeros(40), m[:, ::-1]])
    header = "framewise_displacement\trot_z\trot_y\trot_x\ttrans_z\ttrans_y\ttrans_x"
    rows = ["\t".join(f"{cell:.9g}" for cell in row) for row in table]
    path = tmp_path / "sub-1_motion.tsv"
    path.write_text("\n".join([header, *rows]))
    np.testing.assert_allclose(read_motion(path), m, atol=1e-8)


def test_bare_text_needs_order_and_units(tmp_path):
    path = write(tmp_path / "m.txt", motion())
    with pytest.raises(InputProblem, match=r"motion_order is not given; expected one of"):
        read_motion(path)
    with pytest.raises(InputProblem, match="motion_units is not given"):
        read_motion(path, "translations_first")
    with pytest.raises(InputProblem, match="motion_order is 'siemens'"):
        read_motion(path, "siemens", "radians")
    with pytest.raises(InputProblem, match="motion_units is 'turns'"):
        read_motion(path, "spm", "turns")
    with pytest.raises(InputProblem, match="fsl writes radians but motion_units is degrees"):
        read_motion(path, "fsl", "degrees")


def test_a_wrong_order_prints_a_hint(tmp_path):
    m = motion() * [1, 1, 1, 10, 10, 10]
    path = write(tmp_path / "m.txt", m[:, [3, 4, 5, 0, 1, 2]])
    with pytest.warns(UserWarning, match="if motion_order were rotations_first"):
        read_motion(path, "translations_first", "radians")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_motion(path, "rotations_first", "radians")


def test_wrong_units_print_a_hint(tmp_path):
    m = motion()
    path = write(tmp_path / "m.txt", np.column_stack([m[:, :3], np.rad2deg(m[:, 3:])]))
    with pytest.warns(UserWarning, match="if motion_units were degrees"):
        read_motion(path, "translations_first", "radians")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"the file is empty \(0 bytes\)"),
        (b"1 2 3\n4 5 6\n", "3 columns, expected 6"),
        (b"0 0 0 0 0 0\n0 0 nan 0 0 0\n", r"missing or infinite motion value in volume 1"),
        (b"0 0 0 0 0 0\n0 0 0 0 0\n", "data row 2 has 5 values"),
    ],
)
def test_damaged_files(tmp_path, content, message):
    path = tmp_path / "m.txt"
    path.write_bytes(content)
    with pytest.raises(InputProblem, match=message) as caught:
        read_motion(path, "spm")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputProblem, match="no such file"):
        read_motion(tmp_path / "absent.txt", "spm")
