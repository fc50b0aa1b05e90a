"""What lies on people's disks and was not made for these readers: folders, mixtures, accidents."""

from __future__ import annotations

import json
import os

import numpy as np
import of_recordings
import of_regions
import of_responses
import of_spikes
import of_trees
import surfaces
from conformance_cases import Case, recording, responses, spikes, table, tree

GROUP = "neuro init: whatever lies there"
RNG = np.random.default_rng


def folder_of(*makers, extra=()):
    """Several inputs in folders of their own, looked at from above; further files by name."""

    def make(folder):
        for number, maker in enumerate(makers):
            (folder / "d" / f"s{number}").mkdir(parents=True)
            maker(folder / "d" / f"s{number}")
        for name, content in extra:
            path = folder / "d" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (folder / "d").mkdir(exist_ok=True)
        return tree(folder / "d"), None

    return make


def link(folder):
    (folder / "d").mkdir()
    os.symlink(folder / "nowhere", folder / "d" / "a.nwb")
    return tree(folder / "d"), None


def loop(folder):
    (folder / "d").mkdir()
    os.symlink(folder / "d", folder / "d" / "again")
    return tree(folder / "d"), None


def nowhere(folder):
    return tree(folder / "nothing"), None


def one_file(content, name):
    def make(folder):
        (folder / name).write_bytes(content)
        return tree(folder / name), None

    return make


def prep(root, *names, label="01", json_text='{"RepetitionTime": 2}', run=""):
    base = f"sub-{label}/func/sub-{label}_task-rest{run}"
    of_trees.put(root / f"{base}_desc-confounds_timeseries.tsv", "\t".join(of_trees.COLUMNS) + "\n")
    for name in names:
        of_trees.put(root / f"{base}_{name}_desc-preproc_bold.nii.gz")
        of_trees.put(root / f"{base}_{name}_desc-brain_mask.nii.gz")
        of_trees.put(root / f"{base}_{name}_desc-preproc_bold.json", json_text)


def preps(*steps, **wishes):
    def make(folder):
        for names, options in steps:
            prep(folder / "d", *names, **options)
        return tree(folder / "d", **wishes), None

    return make


def old_names(folder):
    """fMRIPrep 1.0 and 1.1."""
    for label in ("01", "02"):
        base = f"sub-{label}/func/sub-{label}_task-rest_bold"
        of_trees.put(folder / "d" / f"{base}_confounds.tsv", "X\tY\tZ\tRotX\tRotY\tRotZ\n")
        for ending in ("preproc.nii.gz", "brainmask.nii.gz"):
            of_trees.put(folder / "d" / f"{base}_space-MNI152NLin2009cAsym_{ending}")
        side = folder / "d" / f"{base}_space-MNI152NLin2009cAsym_preproc.json"
        of_trees.put(side, '{"RepetitionTime": 2}')
    return tree(folder / "d"), None


def files(*names, text="x"):
    def make(folder):
        for name in names:
            of_trees.put(folder / "d" / name, text)
        return tree(folder / "d"), None

    return make


def on_surfaces(gifti=False, rename=("", ""), without=""):
    """Derivatives on surfaces alone, with an atlas and meshes."""

    def make(folder):
        surfaces.fmriprep(folder / "d", n_volumes=30, gifti=gifti)
        for path in list((folder / "d").rglob(without)) if without else ():
            path.unlink()
        for path in list((folder / "d").rglob("sub-*_bold.*")) if rename[0] else ():
            path.rename(path.with_name(path.name.replace(*rename)))
        return tree(folder / "d"), None

    return make


def above(folder):
    """The folder above: raw data with derivatives below."""
    of_trees.put(folder / "d/task-rest_bold.json", '{"RepetitionTime": 2}')
    of_trees.put(folder / "d/sub-01/func/sub-01_task-rest_bold.nii.gz")
    of_trees.write(folder / "d/derivatives/fmriprep")
    return tree(folder / "d/derivatives/fmriprep"), None


def mixed_intervals(folder):
    prep(folder / "d", of_trees.MNI)
    prep(folder / "d", of_trees.MNI, label="02", json_text='{"RepetitionTime": 0.8}')
    return tree(folder / "d"), None


def participants(text, encoding="utf-8"):
    def make(folder):
        of_trees.write(folder / "d")
        (folder / "d/participants.tsv").write_bytes(text.encode(encoding))
        return tree(folder / "d"), None

    return make


def deconvolved(folder):
    """A table of calcium with one column of text: the condition of each frame."""
    rows = [
        f"{k / 10},{a:.4f},{b:.4f},{'on' if k % 9 else 'off'}"
        for k, (a, b) in enumerate(RNG(0).random((40, 2)))
    ]
    (folder / "m1.csv").write_text("\n".join(["time,A,B,stim", *rows]) + "\n")
    return recording(folder / "m1.csv"), None


def decimal_commas(folder):
    rows = [";".join(f"{x:.4f}".replace(".", ",") for x in row) for row in of_recordings.HALF]
    (folder / "m1.csv").write_text("\n".join(["A;B", *rows]) + "\n")
    return recording(folder / "m1.csv", fs=4.0), None


def upper(folder):
    """Suffixes in capitals, as cameras and old systems write them."""
    of_recordings.generators().table(
        folder / "M1.CSV", "time,A,B", [of_recordings.TIME, of_recordings.HALF]
    )
    return recording(folder / "M1.CSV"), {"traces": of_recordings.HALF}


def samples(folder):
    """Whole numbers of samples in a text table."""
    times = np.sort(RNG(0).integers(0, 60 * 30000, 300))
    (folder / "a.txt").write_text("".join(f"{t} {k % 3 + 1}\n" for k, t in enumerate(times)))
    return spikes(folder / "a.txt"), None


def swapped(folder):
    """Unit first, then a time in whole seconds: both columns could be either."""
    times = np.sort(RNG(0).integers(0, 600, 100))
    (folder / "a.txt").write_text("".join(f"{k % 3 + 1} {t}\n" for k, t in enumerate(times)))
    return spikes(folder / "a.txt"), None


def rates(folder):
    """Firing rates, not counts."""
    np.savez(folder / "a.npz", counts=RNG(0).normal(0, 1, (50, 3)), bin_s=0.05)
    return spikes(folder / "a.npz"), None


def wide_bins(folder):
    """Bins whose width is given in ms."""
    np.savez(folder / "a.npz", counts=RNG(0).poisson(0.5, (80, 3)), bin_s=50.0)
    return spikes(folder / "a.npz"), None


def interval_for_rate(folder):
    """0.0333 s from frame to frame, given as a rate."""
    np.savez(folder / "a.npz", traces=RNG(0).random((80, 3)), fs=0.0333)
    return recording(folder / "a.npz"), None


def correlations(folder):
    np.savez(folder / "a.npz", traces=np.corrcoef(RNG(0).random((9, 50))), fs=4.0)
    return recording(folder / "a.npz"), None


def connectome_table(folder):
    np.save(folder / "x.npy", np.corrcoef(RNG(0).random((30, 90))))
    return table(folder / "x.npy", tr=2.0), None


def encoded(code):
    def make(folder):
        text = "Präcuneus\tb\tc\td\te\tf\n" + of_regions.body(of_regions.smooth())
        (folder / "x.tsv").write_bytes(text.encode(code))
        return table(folder / "x.tsv", tr=2.0), None

    return make


def turned_responses(folder):
    """Responses (units, trials) beside images (trials, ...)."""
    np.savez(folder / "x.npz", stimuli=of_responses.PICTURES, responses=of_responses.RATES.T)
    return responses(folder / "x.npz"), None


def same_everything(folder):
    """As many trials as units, turned: nothing in the file says so."""
    images, want = RNG(0).random((30, 1, 12, 12)), RNG(1).random((30, 30))
    np.savez(folder / "x.npz", stimuli=images, responses=want.T)
    return responses(folder / "x.npz"), None


def named_like_a_clock(folder):
    """A region called 'time'."""
    head = "time\tb\tc\td\te\tf\n"
    return of_regions.text("x.tsv", head)(folder)


def minutes_as_seconds(folder):
    """A clock in minutes under the name of 'time', which says nothing of its unit."""
    of_recordings.generators().table(
        folder / "m1.csv", "time,A,B", [of_recordings.TIME / 60, of_recordings.HALF]
    )
    return recording(folder / "m1.csv"), None


def two_runs_of_a_table(folder):
    """A table of two runs under each other, the header again in between."""
    part = "a\tb\tc\td\te\tf\n" + of_regions.body(of_regions.smooth())
    (folder / "x.tsv").write_text(part + part)
    return table(folder / "x.tsv", tr=2.0), None


def with_counter_of_volumes(folder):
    """A column 'volume' counted from 1 before the regions."""
    rows = [
        f"{k}\t{row}" for k, row in enumerate(of_regions.body(of_regions.smooth()).splitlines(), 1)
    ]
    (folder / "x.tsv").write_text("\n".join(["volume\ta\tb\tc\td\te\tf", *rows]) + "\n")
    return table(folder / "x.tsv", tr=2.0), {"series": of_regions.smooth()}


def stamped(folder):
    """The index of pandas with a date for each frame."""
    rows = [
        f"2024-01-01 00:00:{k / 4:06.3f},{a:.4f},{b:.4f}"
        for k, (a, b) in enumerate(of_recordings.HALF)
    ]
    (folder / "m1.csv").write_text("\n".join([",A,B", *rows]) + "\n")
    return recording(folder / "m1.csv", fs=4.0), None


def milliseconds(folder):
    np.savez(folder / "m1.npz", traces=of_recordings.TALL, t=1000 * of_recordings.TIME)
    return recording(folder / "m1.npz"), None


def labelled_rows(folder):
    """A row per neuron with its name, as pandas writes the transposed table."""
    rows = zip(of_recordings.NAMES, of_recordings.WIDE)
    text = "".join(f"{name},{','.join(f'{x:.6g}' for x in row)}\n" for name, row in rows)
    (folder / "m1.csv").write_text("," + ",".join(map(str, range(40))) + "\n" + text)
    return recording(folder / "m1.csv", fs=4.0), {"traces": of_recordings.TALL}


def flat(folder):
    """Images that were made flat: (trials, pixels)."""
    np.savez(folder / "x.npz", stimuli=RNG(0).random((60, 48)), responses=of_responses.RATES)
    return responses(folder / "x.npz"), None


def stimuli_as(change, **arrays):
    def make(folder):
        given = {"stimuli": change(of_responses.PICTURES), "responses": of_responses.RATES}
        np.savez(folder / "x.npz", **(given | arrays))
        return responses(folder / "x.npz"), None

    return make


def text_spikes(row, head="", count=60):
    """Rows of a text table of spikes; `row` makes one of a time and a number."""

    def make(folder):
        times = np.sort(RNG(0).random(count)) * 50
        lines = [row(time, number % 3) for number, time in enumerate(times)]
        (folder / "a.csv").write_text("\n".join([*([head] if head else []), *lines]) + "\n")
        truth = [np.round(times[k::3], 3) for k in range(3)]
        return spikes(folder / "a.csv"), {"times": truth}

    return make


def parts(folder):
    """A vector of times per unit, each under a name of its own."""
    np.savez(folder / "a.npz", **{f"unit_{k}": np.sort(RNG(k).random(20)) * 60 for k in range(3)})
    return spikes(folder / "a.npz"), None


def saved(values, **options):
    def make(folder):
        np.save(folder / "x.npy", values)
        return table(folder / "x.npy", tr=2.0, **options), None

    return make


def dpabi(folder):
    """ROISignals of DPABI."""
    from scipy.io import savemat

    savemat(folder / "ROISignals_01.mat", {"ROISignals": of_regions.smooth()})
    return table(folder / "ROISignals_01.mat", tr=2.0), None


def dollars(folder):
    where = folder / "a $HOME {x} 'q' ü"
    where.mkdir()
    of_recordings.csv("time,A,B", of_recordings.TIME, of_recordings.HALF)(where)
    return tree(where), None


def read_only_text(content, name="m1.csv"):
    def make(folder):
        (folder / name).write_bytes(content)
        return tree(folder / name), None

    return make


NO_COUNTS = "values below 0 or between whole numbers are no counts: emission gaussian only"
NOTHING = "nothing in it was recognised"
NTF, HMM = of_recordings.STAGES, of_spikes.STAGES
MNI = of_trees.MNI
ROWS = [
    ("broken", "a path that does not exist", nowhere, "no such file or folder"),
    ("broken", "an empty folder", folder_of(), "seen: nothing"),
    (
        "broken",
        "documents and pictures",
        folder_of(extra=[("a.docx", b"x"), ("b.png", b"x")]),
        "seen: 1 .docx, 1 .png",
    ),
    ("broken", "code", folder_of(extra=[("src/a.py", b"x"), ("README.md", b"x")]), NOTHING),
    ("broken", "a link that leads nowhere", link, NOTHING),
    ("broken", "a folder that holds itself", loop, NOTHING),
    ("broken", "bytes named .csv", one_file(bytes(range(256)), "x.csv"), NOTHING),
    ("broken", "a text named .npz", one_file(b"hello", "x.npz"), "not a readable numpy file"),
    ("broken", "a text named .mat", one_file(b"hello", "x.mat"), NOTHING),
    ("broken", "a text named .h5", one_file(b"hello", "x.h5"), NOTHING),
    ("broken", "a .tar.gz of nothing", one_file(b"hello", "x.tar.gz"), NOTHING),
    ("broken", "a table of words", one_file(b"name,city\nA,B\nC,D\n", "x.csv"), NOTHING),
    ("broken", "a table of two lines", one_file(b"a,b\n1,2\n", "x.csv"), NOTHING),
    ("odd", "two sessions of Phy", folder_of(of_spikes.phy(), of_spikes.phy()), HMM),
    (
        "odd",
        "spikes and traces side by side",
        folder_of(of_spikes.phy(), of_recordings.suite2p(of_recordings.PLANE)),
        {"kind": "none", "stages": ["ntf", "hmmglm"]},
    ),
    (
        "odd",
        "all kinds in one folder",
        folder_of(of_spikes.phy(), of_recordings.caiman(), of_responses.npz(), of_responses.pair()),
        {"kind": "none", "stages": ["ntf", "hmmglm", "mds", "braindive"]},
    ),
    (
        "odd",
        "traces among documents",
        folder_of(
            of_recordings.npz(traces=of_recordings.TALL, fs=4.0),
            extra=[("notes.docx", b"x"), ("log.txt", b"started\n")],
        ),
        NTF,
    ),
    (
        "odd",
        "one file of two is broken",
        folder_of(of_recordings.caiman(), extra=[("b.nwb", b"x")]),
        {"kind": "none", "stages": ["ntf"]},
    ),
    ("odd", "signs of shells and letters in the path", dollars, NTF),
    ("odd", "fMRIPrep 1.0", old_names, {"kind": "fmriprep", "runs": 2, "usable": 2, "tr": [2.0]}),
    ("odd", "derivatives inside raw data", above, {"kind": "fmriprep", "runs": 2, "usable": 2}),
    (
        "odd",
        "two sampling intervals",
        mixed_intervals,
        {"kind": "fmriprep", "runs": 2, "tr": [0.8, 2.0]},
    ),
    (
        "odd",
        "a cohort of infants' templates",
        preps(
            (("space-MNIInfant_cohort-1",), {}), (("space-MNIInfant_cohort-2",), {"label": "02"})
        ),
        {"kind": "fmriprep", "others": 1, "space": ["MNIInfant_cohort-1"]},
    ),
    (
        "odd",
        "runs 1, 2 and 10",
        preps(*(((MNI,), {"run": f"_run-{k}"}) for k in (1, 2, 10))),
        {"kind": "fmriprep", "runs": 3, "usable": 3},
    ),
    (
        "odd",
        "run 1 and run 01",
        preps(*(((MNI,), {"run": f"_run-{k}"}) for k in ("1", "01"))),
        {"kind": "fmriprep", "runs": 2},
    ),
    (
        "broken",
        "sidecars that are no JSON",
        preps(((MNI,), {"json_text": "{"})),
        {"kind": "fmriprep", "runs": 1, "usable": 0},
    ),
    (
        "odd",
        "a repetition time in text",
        preps(((MNI,), {"json_text": json.dumps({"RepetitionTime": "2"})})),
        {"kind": "fmriprep", "runs": 1, "usable": 0, "tr": []},
    ),
    (
        "odd",
        "a negative repetition time",
        preps(((MNI,), {"json_text": '{"RepetitionTime": -2}'})),
        {"kind": "fmriprep", "runs": 1, "usable": 0},
    ),
    (
        "plain",
        "CIFTI alone",
        on_surfaces(),
        {"kind": "fmriprep", "runs": 2, "usable": 2, "space": ["fsLR"], "res": ["91k"]},
    ),
    (
        "plain",
        "GIFTI alone",
        on_surfaces(gifti=True),
        {"kind": "fmriprep", "runs": 2, "usable": 2, "space": ["fsaverage5"], "tr": [2.0]},
    ),
    (
        "plain",
        "CIFTI of XCP-D, no region tables",
        on_surfaces(rename=("den-91k_bold", "den-91k_desc-denoised_bold")),
        {"kind": "xcpd", "runs": 2, "usable": 2, "space": ["fsLR"]},
    ),
    (
        "broken",
        "GIFTI, no right hemispheres",
        on_surfaces(gifti=True, without="*hemi-R*"),
        {"kind": "fmriprep", "runs": 2, "usable": 0},
    ),
    (
        "broken",
        "CIFTI, damaged",
        files("sub-01/func/sub-01_task-rest_space-fsLR_den-91k_bold.dtseries.nii"),
        {"kind": "fmriprep", "runs": 1, "usable": 0},
    ),
    (
        "broken",
        "fMRIPrep --level minimal",
        files("sub-01/func/sub-01_task-rest_desc-coreg_boldref.nii.gz"),
        "--level full",
    ),
    ("broken", "anatomy alone", files("sub-01/anat/sub-01_T1w.nii.gz"), "no region table"),
    ("broken", "folders of subjects without a file", files("sub-01/note.txt"), "no region table"),
    ("broken", "DICOM", files("sub-01/MR000001.dcm"), "no region table"),
    (
        "odd",
        "participants in UTF-16",
        participants("participant_id\tage\n01\t9\n02\t8\n", "utf-16"),
        {"kind": "fmriprep", "runs": 2},
    ),
    (
        "odd",
        "participants in cp1252",
        participants("participant_id\tsite\n01\tMünchen\n02\tKöln\n", "cp1252"),
        {"kind": "fmriprep", "runs": 2},
    ),
    (
        "odd",
        "participants without ids",
        participants("name\tage\nA\t9\n"),
        {"kind": "fmriprep", "runs": 2},
    ),
    (
        "odd",
        "participants twice",
        participants("participant_id\tage\n01\t9\n01\t8\n"),
        {"kind": "fmriprep", "runs": 2},
    ),
    (
        "odd",
        "participants with a diagnosis in words",
        participants("participant_id\tdiagnosis\n01\tADHD\n02\tTD\n"),
        {"kind": "fmriprep", "asks": ["columns"]},
    ),
]
FILES = [
    (
        "Spikes",
        "odd",
        "text, minutes in the header",
        text_spikes(lambda t, k: f"{t / 60:.5f},{k}", "time_min,unit"),
        "write the times in s",
    ),
    (
        "Spikes",
        "odd",
        "text, microseconds in the header",
        text_spikes(lambda t, k: f"{t * 1e6:.1f},{k}", "time_us,unit"),
        "write the times in s",
    ),
    ("Spikes", "odd", "npz, bins of 50 ms as 50", wide_bins, "0.05 s may be meant"),
    ("Traces", "odd", "npz, an interval for a rate", interval_for_rate, "it may be an interval"),
    ("Traces", "odd", "npz, a matrix of correlations", correlations, "a connectome, no traces"),
    ("Region tables", "odd", "a connectome", connectome_table, "a connectome, no series"),
    (
        "Region tables",
        "odd",
        "names in cp1252",
        encoded("cp1252"),
        {"regions": ["Präcuneus", *"bcdef"]},
    ),
    (
        "Region tables",
        "odd",
        "a table in UTF-16",
        encoded("utf-16"),
        {"regions": ["Präcuneus", *"bcdef"]},
    ),
    ("Traces", "odd", "CSV with a column of text", deconvolved, "is not a number"),
    ("Traces", "odd", "CSV, decimal commas and semicolons", decimal_commas, of_recordings.PAIR),
    ("Traces", "odd", "suffix in capitals", upper, of_recordings.PAIR),
    (
        "Traces",
        "odd",
        "CSV, clock in minutes that does not say so",
        minutes_as_seconds,
        "time_min if it holds minutes",
    ),
    ("Traces", "odd", "CSV, a date for each frame", stamped, "holds dates or times of day"),
    (
        "Traces",
        "odd",
        "npz, times in ms that are not said",
        milliseconds,
        "250 s from frame to frame",
    ),
    ("Traces", "odd", "CSV, a row per neuron with its name", labelled_rows, of_recordings.NAMED),
    (
        "Stimuli and responses",
        "odd",
        "npz, images made flat",
        flat,
        "may be images that were made flat",
    ),
    (
        "Stimuli and responses",
        "odd",
        "npz, 16 bits",
        stimuli_as(lambda x: (x * 65535).astype("u2")),
        "rescale the stimuli",
    ),
    (
        "Stimuli and responses",
        "odd",
        "npz, black and white",
        stimuli_as(lambda x: x > 0.5),
        {"kind": "image", "stimulus": (3, 12, 14)},
    ),
    (
        "Stimuli and responses",
        "odd",
        "npz, tiers as numbers",
        stimuli_as(np.array, tier=np.arange(60) % 2),
        "unknown tier '0', '1'",
    ),
    (
        "Stimuli and responses",
        "odd",
        "npz, responses over time",
        stimuli_as(np.array, responses=np.ones((60, 3, 5))),
        "expected (n_trials, n_units)",
    ),
    (
        "Spikes",
        "odd",
        "text, three columns",
        text_spikes(lambda t, k: f"{t:.3f},{k},1.5", "time,unit,amp"),
        {"units": ["0", "1", "2"]},
    ),
    (
        "Spikes",
        "odd",
        "text, units named in words",
        text_spikes(lambda t, k: f"{t:.3f},u{k}", "time,unit"),
        "expected 2 numbers",
    ),
    (
        "Spikes",
        "odd",
        "text, unit before time",
        text_spikes(lambda t, k: f"{k},{t:.3f}", "unit,time"),
        "are the columns swapped",
    ),
    (
        "Spikes",
        "odd",
        "text, ms in the header",
        text_spikes(lambda t, k: f"{1000 * t:.3f},{k}", "time_ms,unit"),
        "set hmmglm.time_unit: ms",
    ),
    ("Spikes", "odd", "npz, a vector per unit", parts, "expected one array"),
    (
        "Region tables",
        "odd",
        "npy, a row per region",
        saved(of_regions.smooth().T),
        "looks transposed",
    ),
    ("Region tables", "odd", "ROISignals of DPABI", dpabi, "unknown kind of table"),
    ("Spikes", "odd", "text, times in samples", samples, "set hmmglm.time_unit: ms, or samples"),
    ("Spikes", "odd", "text, (unit, whole seconds)", swapped, "are all whole numbers"),
    ("Spikes", "odd", "npz, rates below 0 as counts", rates, {"bins": [50], "doubts": [NO_COUNTS]}),
    (
        "Stimuli and responses",
        "odd",
        "npz, responses (units, trials)",
        turned_responses,
        "same first axis expected",
    ),
    (
        "Stimuli and responses",
        "odd",
        "npz, as many units as trials, turned",
        same_everything,
        "name the columns in 'unit'",
    ),
    (
        "Region tables",
        "odd",
        "a region called 'time'",
        named_like_a_clock,
        {"volumes": 120, "regions": ["time", *"bcdef"]},
    ),
    (
        "Region tables",
        "broken",
        "two runs under each other",
        two_runs_of_a_table,
        "is not a number",
    ),
    ("Region tables", "odd", "a column 'volume' from 1", with_counter_of_volumes, of_regions.SIX),
]
CASES = [Case(GROUP, *row) for row in ROWS] + [Case(*row) for row in FILES]
