"""Recorded trees: 15 of the BIDS examples and four file lists of XCP-D (images of 0 bytes)."""

from __future__ import annotations

import functools
import tarfile
import tempfile
from pathlib import Path

from conformance_cases import DATA, Case, tree

LAYOUTS = DATA / "layouts"


@functools.cache
def _unpacked():
    """The folder with all BIDS examples; it lives as long as the process."""
    folder = tempfile.TemporaryDirectory()
    with tarfile.open(LAYOUTS / "bids_examples.tar.gz") as archive:
        archive.extractall(folder.name, filter="data")
    return folder


def example(name):
    return lambda folder: (tree(Path(_unpacked().name) / name), None)


def listed(name):
    def make(folder):
        for line in (LAYOUTS / "xcpd_file_lists" / name).read_text().split():
            path = folder / "d" / line
            if "." in path.name:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        return tree(folder / "d"), None

    return make


# runs, subjects, sampling interval (s): counted in the archive's list of names
EXAMPLES = {
    "ds001": (48, 16, 2.0),
    "ds003": (13, 13, 2.0),
    "ds005": (48, 16, 2.0),
    "ds007": (118, 20, 2.0),
    "ds009": (144, 24, 2.0),
    "ds051": (102, 13, 2.0),
    "ds101": (42, 21, 2.0),
    "ds105": (71, 6, 2.5),
    "ds108": (204, 34, 2.0),
    "ds110": (180, 18, 2.0),
    "ds113b": (156, 20, 2.0),
    "ds116": (102, 17, 2.0),
}
GROUP = "BIDS examples"
CASES = [
    Case(
        GROUP,
        "right",
        name,
        example(name),
        {"kind": "bids", "runs": runs, "subjects": people, "tr": [tr], "asks": ["atlas"]},
        listed=True,
    )
    for name, (runs, people, tr) in EXAMPLES.items()
]
CASES += [
    Case(
        GROUP,
        "odd",
        "hcp_example_bids (no data)",
        example("hcp_example_bids"),
        "nothing in it was recognised",
        listed=True,
    ),
    Case(
        GROUP,
        "odd",
        "synthetic (images without .gz; task rest)",
        example("synthetic"),
        {"kind": "bids", "runs": 10, "others": 1, "tr": [2.5], "asks": ["atlas"]},
        listed=True,
    ),
    Case(
        GROUP,
        "odd",
        "volume_timing (sparse sampling)",
        example("volume_timing"),
        {"kind": "bids", "runs": 6},
        listed=True,
    ),
]
XCPD = [
    (
        "right",
        "test_ds001419_nifti_outputs",
        {"kind": "xcpd", "runs": 1, "space": ["MNI152NLin6Asym"], "res": ["2"], "asks": ["tr"]},
    ),
    (
        "odd",
        "test_ds001419_cifti_outputs",
        {"kind": "table", "runs": 2, "atlas": "4S156Parcels", "asks": ["tr"]},
    ),
    (
        "odd",
        "test_nibabies_outputs",
        {"kind": "table", "runs": 1, "atlas": "4S1056Parcels", "asks": ["tr"]},
    ),
    (
        "odd",
        "test_pnc_cifti_t2wonly_outputs",
        {"kind": "table", "runs": 1, "atlas": "4S156Parcels", "asks": ["tr"]},
    ),
]
CASES += [
    Case("File lists of XCP-D", way, name, listed(f"{name}.txt"), want, listed=True)
    for way, name, want in XCPD
]
