"""Section `data`: what the laboratory has on disk."""

from __future__ import annotations

import dataclasses

from neuro.config.checks.paths import TR_RANGE
from neuro.config.model import option

KINDS = ("simulated", "auto", "table", "adhd200", "nifti", "fmriprep", "xcpd", "bids", "none")


@dataclasses.dataclass(frozen=True)
class Data:
    """What is read. Paths are relative to the working directory."""

    kind: str = option(
        "auto",
        "string",
        "Layout of the input; 'auto' looks at the folder and says what it decided; 'none': no "
        "BOLD, the stages that need it are off and the others read their own recordings.",
        choices=KINDS,
    )
    root: str | None = option(
        None, "path", "Folder of the input (not used by 'simulated' and 'none').", nullable=True
    )
    participants: str | None = option(
        None,
        "path",
        "Participants table; null looks for participants.tsv in the root.",
        nullable=True,
    )
    subjects: list | str = option("all", "labels", "Participant labels to use, quoted.")
    exclude: list = option([], "labels", "Participant labels to leave out, quoted.")
    sites: list | str = option("all", "labels", "Sites to use.")
    sessions: list | str = option("all", "labels", "Session labels to use, quoted.")
    tasks: list | str = option("all", "labels", "Task labels to use, quoted.")
    space: str | None = option(
        None, "string", "Template space, if the input holds several.", nullable=True
    )
    res: str | None = option(
        None, "string", "Resolution label, if the input holds several.", nullable=True
    )
    atlas: str | None = option(
        None, "string", "Atlas label of region tables, if the input holds several.", nullable=True
    )
    echo: str | None = option(
        None,
        "string",
        "Echo of multi-echo images to use, quoted; null is the combined image.",
        nullable=True,
    )
    columns: dict = option(
        {},
        "mapping",
        "Names of the participants table's columns, where they are not the standard ones "
        "(participant_id, site, age, sex, dx, iq, mean_fd, handedness), and the words of the "
        "diagnosis, e.g. {dx: diagnosis, cases: [ADHD], controls: [CONTROL]}.",
    )
    tr: float | None = option(
        None,
        "number",
        "Sampling interval; null takes it from the sidecar, then the header.",
        unit="s",
        low=TR_RANGE[0],
        high=TR_RANGE[1],
        nullable=True,
    )
    site_tr: dict = option(
        {},
        "mapping",
        "Sampling interval of each site (s), for tables that do not carry it.",
    )
    voxel_size: list | None = option(
        None,
        "numbers",
        "Voxel size, only for images whose header lacks it.",
        unit="mm",
        length=3,
        nullable=True,
    )
    motion_order: str | None = option(
        None,
        "string",
        "Column order of bare motion text files.",
        choices=("translations_first", "rotations_first", "afni", "fsl", "spm"),
        nullable=True,
    )
    motion_units: str | None = option(
        None,
        "string",
        "Unit of the rotations in bare motion text files.",
        choices=("radians", "degrees"),
        nullable=True,
    )
    use_qc: bool = option(
        False,
        "boolean",
        "ADHD-200 tables only: leave out runs that their site found questionable (QC_Rest 0).",
    )
    filtered: bool = option(
        True,
        "boolean",
        "ADHD-200 tables only: read the band-passed series (sfnwmrda) rather than snwmrda.",
        source="Athena pipeline",
    )
