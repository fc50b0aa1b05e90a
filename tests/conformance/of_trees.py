"""Generated trees of derivatives: what fMRIPrep's versions and its users leave behind."""

from __future__ import annotations

import itertools
import json

from conformance_cases import Case, tree

MNI, T1W = "space-MNI152NLin2009cAsym", "space-T1w"
COLUMNS = [*(f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz")]
COLUMNS += ["csf", "white_matter", "global_signal"]
STYLES = {"25": "timeseries", "20.1": "regressors"}


def put(path, text="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write(
    root,
    *,
    style="25",
    sessions=("",),
    spaces=(MNI,),
    res=("",),
    echoes="",
    mask=True,
    confounds=True,
    tr=2.0,
    content="x",
):
    """Two subjects; `echoes` is '', 'combined' or 'only'."""
    for label, session in itertools.product(("01", "02"), sessions):
        parts = [f"sub-{label}", *([f"ses-{session}"] if session else [])]
        base = "_".join([*parts, "task-rest"])
        func = root.joinpath(*parts, "func")
        if confounds:
            name = f"{base}_desc-confounds_{STYLES[style]}.tsv"
            put(func / name, "\t".join(COLUMNS) + "\n")
        grids = [
            "_".join(part for part in (base, space, res and f"res-{res}") if part)
            for space, res in itertools.product(spaces, res)
        ]
        if echoes == "only":
            grids = []
        if echoes:
            grids += [f"{base}_echo-{k}" for k in (1, 2)]
        for grid in grids:
            put(func / f"{grid}_desc-preproc_bold.nii.gz", content)
            side = json.dumps({"RepetitionTime": tr} if tr else {})
            put(func / f"{grid}_desc-preproc_bold.json", side)
            if mask:
                put(func / f"{grid}_desc-brain_mask.nii.gz", content)
    put(root / "dataset_description.json", '{"Name": "x", "GeneratedBy": [{"Name": "fMRIPrep"}]}')


def made(**options):
    def make(folder):
        write(folder / "d", **options)
        return tree(folder / "d"), None

    return make


def _factorial():
    """All combinations of name, sessions, spaces, resolutions and echoes."""
    for style, sessions, spaces, res, echoes in itertools.product(
        STYLES,
        (("",), ("1", "2")),
        ((MNI,), (MNI, T1W)),
        (("",), ("2",), ("1", "2")),
        ("", "combined"),
    ):
        names = [
            f"fMRIPrep {style}",
            "2 sessions" if sessions[0] else "no sessions",
            "MNI" if len(spaces) == 1 else "MNI and T1w",
            f"res {' and '.join(res)}" if res[0] else "no res",
            "echoes and combined" if echoes else "one echo",
        ]
        n_runs = 2 * len(sessions)
        images = [
            "_".join(
                [f"sub-{label}", *([f"ses-{session}"] if session else []), "task-rest", MNI]
                + [f"res-{res[0]}"] * bool(res[0])
            )
            + "_desc-preproc_bold.nii.gz"
            for label, session in itertools.product(("01", "02"), sessions)
        ]
        want = {
            "kind": "fmriprep",
            "runs": n_runs,
            "usable": n_runs,
            "space": [MNI.removeprefix("space-")],
            "tr": [2.0],
            "res": list(res[:1]) if res[0] else [],
            "others": (len(spaces) > 1) + (len(res) > 1),
            "images": images,
        }
        options = {"style": style, "sessions": sessions, "spaces": spaces, "res": res}
        yield Case(
            "Trees of fMRIPrep",
            "right",
            ", ".join(names),
            made(**options, echoes=echoes),
            want,
        )


def _lacking():
    """The same with something missing."""
    for style, session in itertools.product(STYLES, (("",), ("1", "2"))):
        n = 2 * len(session)
        named = f"fMRIPrep {style}{', 2 sessions' if session[0] else ''}"
        own = {"style": style, "sessions": session}
        for name, options, want in (
            ("images of 0 bytes", {"content": ""}, {"kind": "fmriprep", "runs": n, "tr": [2.0]}),
            (
                "no masks",
                {"mask": False},
                {
                    "kind": "fmriprep",
                    "runs": n,
                    "usable": 0,
                    "reasons": ["no brain mask on the same grid found"],
                },
            ),
            (
                "no confounds",
                {"confounds": False},
                {"kind": "fmriprep", "runs": n, "usable": 0},
            ),
            (
                "no sampling interval",
                {"tr": None},
                {"kind": "fmriprep", "runs": n, "tr": [], "asks": ["tr"]},
            ),
            (
                "T1w space only",
                {"spaces": (T1W,)},
                {"kind": "fmriprep", "runs": n, "space": ["T1w"], "others": 0},
            ),
            (
                "echoes without a combined image",
                {"echoes": "only"},
                {"kind": "fmriprep", "usable": 0, "asks": ["echo"]},
            ),
            ("repetition time 2000", {"tr": 2000}, {"kind": "fmriprep", "runs": n, "usable": 0}),
        ):
            way = "broken" if name == "images of 0 bytes" else "odd"
            yield Case("Trees of fMRIPrep", way, f"{named}, {name}", made(**own, **options), want)


CASES = [*_factorial(), *_lacking()]
