"""Region tables of every pipeline, alone and as cohorts; right, odd, broken."""

from __future__ import annotations

import json

import numpy as np
from conformance_cases import Case, table, tree

GROUP = "Region tables"


def smooth(*arguments):
    import test_roi_tables

    return test_roi_tables.smooth(*arguments)


def body(values, mark="\t"):
    import test_roi_tables

    return test_roi_tables.as_text(values, mark)


def text(name, head="", mark="\t", foot=0, beside=None, change=None, **options):
    """A table of 120 volumes of 6 regions below a first line."""

    def make(folder):
        series = smooth()
        content = head + body(series, mark)
        content = change(content) if change else content
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(data)
        if beside:
            (folder / name).with_suffix(".json").write_text(beside)
        return table(folder / name, **({"tr": 2.0} | options)), {"series": series}

    return make


def turned(**options):
    def make(folder):
        series = smooth(60, 90)
        (folder / "x.1D").write_text(body(series.T))
        return table(folder / "x.1D", tr=2.0, **options), {"series": series}

    return make


def parcels(**options):
    def make(folder):
        import test_tables_of_other_pipelines as module

        path = folder / "sub-01_task-rest_timeseries.ptseries.nii"
        module.parcels(path, **options)
        return table(path), {"series": module.SERIES}

    return make


def npz(**arrays):
    def make(folder):
        np.savez(folder / "x.npz", **arrays)
        return table(folder / "x.npz", **({} if "tr" in arrays else {"tr": 2.0})), None

    return make


def file(content, name="x.tsv"):
    def make(folder):
        (folder / name).write_bytes(content)
        return table(folder / name, tr=2.0), None

    return make


def cohort(name, n=3, head="a\tb\tc\td\te\tf\n", side=None, people="", more=None):
    """Tables of several subjects, `name` with {n}; through `neuro init`."""

    def make(folder):
        root = folder / "d"
        for number in range(1, n + 1):
            path = root / name.format(n=f"{number:02d}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(head + body(smooth(120, 6, number)))
            if side:
                path.with_suffix(".json").write_text(json.dumps(side))
        if people:
            (root / "participants.tsv").write_text(people)
        if more:
            more(root)
        return tree(root), None

    return make


def adhd200(folder):
    import test_adhd200_folders as module

    for name, content in module.good_copy().items():
        path = folder / "d" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tree(folder / "d"), None


def combined(root):
    """XCP-D's table of both runs in a row, beside the runs."""
    base = root / "sub-01/func"
    for name in ("_run-1", "_run-2", ""):
        path = base / f"sub-01_task-rest{name}_space-fsLR_seg-Tian_stat-mean_timeseries.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a\tb\n" + body(smooth(240 if not name else 120, 2)))
        path.with_suffix(".json").write_text('{"RepetitionTime": 2}')


LETTERS = "a\tb\tc\td\te\tf\n"
SIX = {"volumes": 120, "regions": list("abcdef"), "tr": 2.0}
NUMBERED = SIX | {"regions": list("123456")}
CODES = SIX | {"regions": [str(code) for code in range(2001, 2007)]}


def with_counter(content):
    head, *rows = content.splitlines()
    return "\n".join(["\t" + head, *(f"{k}\t{row}" for k, row in enumerate(rows))]) + "\n"


def with_bricks(content):
    rows = content.splitlines()[1:]
    head = "File\tSub-brick\t" + "\t".join(f"Mean_{code}  " for code in range(2001, 2007))
    return "\n".join([head, *(f"r.nii.gz\t{k}[?]\t{row}" for k, row in enumerate(rows))]) + "\n"


def ragged(content):
    return content.rsplit("\t", 1)[0] + "\n"


CODED = "\t".join(f"#{code}" for code in range(2001, 2007)) + "\n"
SHORT = np.random.default_rng(0).standard_normal((30, 4))
ROWS = [
    ("right", "TSV with a header", text("x.tsv", LETTERS), SIX),
    ("right", "CSV with a header", text("x.csv", "a,b,c,d,e,f\n", ","), SIX),
    ("odd", "CSV, semicolons", text("x.csv", "a;b;c;d;e;f\n", ";"), SIX),
    ("odd", "CSV, byte order mark", text("x.csv", "\ufeffa,b,c,d,e,f\n", ","), SIX),
    (
        "odd",
        "TSV, lines of Windows",
        text("x.tsv", LETTERS, change=lambda t: t.replace("\n", "\r\n")),
        SIX,
    ),
    ("right", ".1D without a header", text("x.1D"), NUMBERED),
    ("odd", ".1D, a comment", text("x.1D", "# made by hand\n", " "), NUMBERED),
    ("right", ".1D of C-PAC and PCP, regions in a comment", text("x.1D", CODED), CODES),
    ("right", ".1D of 3dROIstats", text("x.1D", LETTERS, change=with_bricks), CODES),
    (
        "broken",
        ".1D, a comment names four regions",
        text("x.1D", "#1\t#2\t#3\t#4\n"),
        "comment line names 4 columns",
    ),
    ("odd", "index of pandas", text("x.tsv", LETTERS, change=with_counter), SIX),
    ("odd", "codes as header", text("x.tsv", CODED.replace("#", "")), CODES),
    (
        "right",
        "interval in the sidecar",
        text("x.tsv", LETTERS, tr=None, beside='{"RepetitionTime": 2}'),
        SIX,
    ),
    (
        "odd",
        "sampling frequency in the sidecar",
        text("x.tsv", LETTERS, tr=None, beside='{"SamplingFrequency": 0.5}'),
        SIX,
    ),
    ("odd", "interval unknown", text("x.tsv", LETTERS, tr=None), "set data.tr"),
    (
        "odd",
        "sidecar and settings contradict",
        text("x.tsv", LETTERS, tr=2.5, beside='{"RepetitionTime": 2}'),
        "2 s in the sidecar but 2.5 s",
    ),
    (
        "broken",
        "sidecar is no JSON",
        text("x.tsv", LETTERS, beside="{broken"),
        "not readable as JSON",
    ),
    ("odd", "a row per region", turned(), "looks transposed"),
    (
        "odd",
        "a row per region, axis in the settings",
        turned(time_axis=1),
        {"volumes": 60, "tr": 2.0},
    ),
    ("right", "CIFTI parcels", parcels(), {"volumes": 30, "regions": ["P0", "P1"], "tr": 0.72}),
    ("odd", "CIFTI parcels, time last", parcels(turned=True), {"volumes": 30, "tr": 0.72}),
    ("odd", "CIFTI parcels without time", parcels(unit="HERTZ"), "set data.tr"),
    (
        "right",
        "npz with names and interval",
        npz(timeseries=SHORT, regions=list("abcd"), tr=1.5),
        {"volumes": 30, "regions": list("abcd"), "tr": 1.5, "series": SHORT.astype("f4")},
    ),
    ("odd", "npz with two arrays", npz(one=SHORT, two=SHORT), "expected the series under one of"),
    ("broken", "of no bytes", file(b""), "the file is empty (0 bytes)"),
    ("broken", "a header alone", file(b"a\tb\n"), "a header but no line of data"),
    (
        "broken",
        "a row too short",
        text("x.tsv", LETTERS, change=ragged),
        "has 5 values, the first has 6",
    ),
    ("broken", "a word among numbers", file(b"a\tb\n1.5\t2.5\n3.5\tx4\n"), "'x4' is not a number"),
    ("broken", "a spreadsheet", file(b"PK", "x.xlsx"), "unknown kind of table"),
    ("broken", "CIFTI, text", file(b"no cifti", "sub-01_timeseries.ptseries.nii"), "ptseries.nii"),
]
BASE = "sub-{n}/func/sub-{n}_task-rest"
PEOPLE = "participant_id\tage\n01\t9\n02\t8\n03\t7\n"
TABLE = {"kind": "table", "runs": 3, "subjects": 3, "usable": 3, "tr": [2.0], "stages": ["fmri"]}
COHORTS = [
    (
        "right",
        "XCP-D",
        cohort(BASE + "_space-fsLR_seg-Tian_stat-mean_timeseries.tsv", side={"RepetitionTime": 2}),
        TABLE,
    ),
    (
        "right",
        "HALFpipe",
        cohort(
            "sub-{n}/func/task-rest/sub-{n}_task-rest_feature-c_atlas-a_timeseries.tsv",
            head="",
            side={"SamplingFrequency": 0.5},
        ),
        TABLE,
    ),
    (
        "right",
        "C-PAC",
        cohort(
            BASE + "_reg-36parameter_atlas-CC200_desc-Mean-1_timeseries.1D",
            head=CODED,
            side={"RepetitionTime": 2},
        ),
        TABLE,
    ),
    (
        "right",
        "PCP (ABIDE)",
        cohort("Pitt_00500{n}_rois_aal.1D", head=CODED, people=PEOPLE.replace("\n0", "\n005000")),
        TABLE | {"usable": 0, "tr": [], "asks": ["tr"]},
    ),
    (
        "odd",
        "interval unknown",
        cohort(BASE + "_timeseries.tsv"),
        TABLE | {"usable": 0, "tr": [], "asks": ["tr"]},
    ),
    (
        "odd",
        "XCP-D, both runs and their combination",
        cohort("x/{n}.tsv", 0, more=combined),
        {"kind": "table", "runs": 2},
    ),
    (
        "right",
        "ADHD-200",
        adhd200,
        {"kind": "adhd200", "runs": 11, "usable": 6, "subjects": 9, "tr": [2.0, 2.5]},
    ),
    ("broken", "a folder of documents", cohort("{n}.docx"), "nothing in it was recognised"),
]
CASES = [Case(GROUP, *row) for row in ROWS]
CASES += [Case("neuro init: cohorts of tables", *row) for row in COHORTS]
