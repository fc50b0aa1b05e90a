"""One site of ADHD-200: its tables, its failed exports, and what one table holds."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np

from neuro.io.adhd200.phenotypes import read_motion_maxima, read_phenotypes
from neuro.io.formats.archives import Entry
from neuro.io.formats.codes import without_codes
from neuro.io.formats.tables import exclusion
from neuro.io.problems import InputProblem
from neuro.io.regions import roi

STEP = "adhd200"

_PREFIX = {True: "sfnwmrda", False: "snwmrda"}
_TABLE = re.compile(r"(sfnwmrda|snwmrda)(\d+)_session_(\d+)_rest_(\d+)_(\w+?)_TCs\.1D")
_INSIDE = re.compile(r"(\d+)_session_(\d+)_rest_(\d+)")


def parse_table(data: bytes, row, constant: str = "nan") -> tuple[np.ndarray, list[str]]:
    """Values (float32, time first) and atlas codes of one table; every check on the way."""
    name = row.path
    lines = data.decode("utf-8", errors="replace").splitlines()
    header = [cell.strip() for cell in lines[0].split("\t")] if lines else []
    if header[:2] != ["File", "Sub-brick"] or len(header) < 3:
        raise InputProblem(f"{name}: no header 'File, Sub-brick, Mean_<code>, ...'")
    regions = [cell.removeprefix("Mean_") for cell in header[2:]]
    body = [line for line in lines[1:] if line.strip()]
    if not body:
        raise InputProblem(f"{name}: failed export: a header and no volume")
    for number, line in enumerate(body):
        if line.count("\t") != len(header) - 1:
            raise InputProblem(
                f"{name}: volume {number} has {line.count(chr(9)) + 1} columns, the header "
                f"{len(header)}"
            )
        file, brick, _ = line.split("\t", 2)
        if brick.partition("[")[0].strip() != str(number):
            raise InputProblem(f"{name}: volume {number} is labelled '{brick.strip()}'")
        match = _INSIDE.search(file)
        if match and (match[1].zfill(7), *match.groups()[1:]) != (
            row.participant_id,
            row.session,
            row.run,
        ):
            raise InputProblem(f"{name}: its lines are of another run ({file.strip()})")
    try:
        values = np.loadtxt(body, delimiter="\t", usecols=range(2, len(header)), ndmin=2)
    except ValueError as error:
        reason = str(error).splitlines()[0][:60]
        raise InputProblem(f"{name}: a cell is not a number ({reason})") from None
    values, notes = without_codes(values, regions, "region")
    problems = roi.series_problems(values, regions)
    problems += notes if problems else []
    flat = roi.constant_columns(values)
    if constant == "raise" and flat.any():
        listed = ", ".join(np.array(regions)[flat][:3])
        problems.append(f"{int(flat.sum())} constant regions, e.g. {listed}")
    values[:, flat] = np.nan
    if flat.all():
        problems.append("no region varies")
    if problems:
        raise InputProblem([f"{name}: {problem}" for problem in problems])
    return values.astype(np.float32), regions


def repeated(records: list[dict], exclusions: list[dict]) -> list[str]:
    """Same run key or same bytes twice; a copy within one subject is only left out."""
    problems = []
    keys: dict = {}
    for row in records:
        if row["run_key"] in keys:
            other = keys[row["run_key"]]
            same = "same table" if row["head"] == other["head"] else "two tables of one run"
            problems.append(f"{row['where']}: {same} as {other['where']}; keep one set")
        keys.setdefault(row["run_key"], row)
    heads: dict = {}
    for row in list(keys.values()):
        other = heads.setdefault(row["head"], row)
        if other is row or row["entry"].checksum() != other["entry"].checksum():
            continue
        if row["participant_id"] == other["participant_id"]:
            reason = f"identical to {Path(other['path']).name}"
            exclusions.append(exclusion(row["run_key"], STEP, reason))
            records.remove(row)
        else:
            problems.append(f"{row['where']}: same table as {other['where']}; keep one")
    return problems


class Site:
    """The files of one site, sorted into tables, failed exports and the rest."""

    def __init__(self, site: str, source, atlas: str):
        self.site, self.atlas = site, atlas
        self.problems: list[str] = []
        self.tables: list[tuple[re.Match, Entry, str]] = []
        self.failed: dict[str, list[str]] = {}
        self.odd: list[Entry] = []
        self.folders: set[str] = set()
        self.archive = source.archive
        texts: dict[str, str] = {}
        try:
            for entry in source.entries():
                self._sort(entry, texts)
        except InputProblem as error:
            self.problems += error.problems
        self.is_site = bool(texts or self.tables or self.failed)
        self.phenotypes = read_phenotypes(site, texts)
        self.problems += self.phenotypes.problems
        self.motion = read_motion_maxima(texts)

    def _sort(self, entry: Entry, texts: dict):
        parts = entry.parts
        name = parts[-1]
        if len(parts) == 1 and name.endswith(("_phenotypic.csv", "_motion.csv")):
            texts[name] = entry.read().decode("utf-8-sig", errors="replace")
        if len(parts) != 2 or not parts[0].isdigit():
            return
        self.folders.add(parts[0].zfill(7))
        if not name.endswith("_TCs.1D"):
            return
        match = _TABLE.fullmatch(name)
        if match is None and any(mark in name for mark in "*?["):
            # the shell handed an unmatched pattern on as a name; it is text, not a pattern
            self.failed.setdefault(parts[0].zfill(7), []).append(name)
        elif match is None:
            self.odd.append(entry)
        elif match[5] == self.atlas:
            digest = hashlib.sha256(entry.read(4096)).hexdigest() if entry.size else ""
            self.tables.append((match, entry, f"{entry.size} {digest}"))

    def runs(self, filtered: bool) -> tuple[list[dict], list[dict], list[str]]:
        """Rows of the run table, exclusions, notes."""
        rows, excluded, notes = [], [], []
        prefix = _PREFIX[filtered]
        kind = f"{'band-passed' if filtered else 'unfiltered'} table ({prefix}*)"
        quality = self.phenotypes.quality
        for match, entry, head in self.tables:
            if match[1] != prefix:
                continue
            subject, session, run = match[2].zfill(7), match[3], match[4]
            key = f"sub-{subject}_ses-{session}_task-rest_run-{run}"
            folder = entry.parts[0].zfill(7)
            if folder != subject:
                reason = f"a table of {subject} in the folder of {folder}"
                excluded.append(exclusion(key, STEP, reason))
                continue
            if not entry.size:
                excluded.append(exclusion(key, STEP, "the table is empty (0 bytes)"))
                continue
            motion = self.motion.get((subject, session, run), (np.nan, np.nan))
            rows.append(
                {
                    "run_key": key,
                    "participant_id": subject,
                    "session": session,
                    "task": "rest",
                    "run": run,
                    "site": self.site,
                    "kind": "adhd200",
                    "archive": self.archive,
                    "path": entry.path,
                    "tr_source": "site table",
                    "qc": quality.get((subject, session, run), np.nan),
                    "max_motion_mm": motion[0],
                    "max_rotation_deg": motion[1],
                    "status": "ok",
                    "reason": "",
                    "head": head,
                    "entry": entry,
                    "where": f"{self.archive}: {entry.path}" if self.archive else entry.path,
                }
            )
        present = {row["participant_id"] for row in rows}
        if not rows:
            excluded.append(
                exclusion(self.site, STEP, f"the site has no {kind}", len(self.folders))
            )
        named = {row["what"].split("_")[0] for row in excluded}
        for subject, names in sorted(self.failed.items()):
            reason = f"failed export: a file named '{names[0]}'"
            alone = "" if subject in present else ", nothing else"
            excluded.append(exclusion(f"sub-{subject}", STEP, reason + alone))
        for entry in self.odd:
            reason = f"table with an unknown name: '{entry.parts[-1]}'"
            excluded.append(exclusion(f"sub-{entry.parts[0].zfill(7)}", STEP, reason))
            named.add(f"sub-{entry.parts[0].zfill(7)}")
        if rows:
            for subject in sorted(self.folders - present - set(self.failed)):
                if f"sub-{subject}" not in named:
                    excluded.append(exclusion(f"sub-{subject}", STEP, f"no {kind}"))
        listed = set(self.phenotypes.table["participant_id"])
        for subject in sorted(listed - self.folders):
            reason = "in the phenotypic table, but has no folder"
            excluded.append(exclusion(f"sub-{subject}", STEP, reason))
        for subject in sorted(present - listed):
            notes.append(
                f"{self.site}: sub-{subject} has a folder, but no row in the phenotypic table; "
                "kept without age, sex and dx"
            )
        return rows, excluded, notes
