"""Settings of fmri and adhd."""

from __future__ import annotations

import shutil

from every_key.entry import Key


def moving(folder):
    """Head motion that jumps, so that volumes are censored."""
    import pandas as pd

    path = next(folder.glob("input/sub-01/func/*_desc-confounds_timeseries.tsv"))
    table = pd.read_csv(path, sep="\t")
    table.loc[20, "trans_x"] += 0.4
    table.loc[23, "trans_x"] += 0.4
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")


def template(folder):
    """Two ways to template space, two grids, and an identity."""
    import nibabel
    import numpy as np

    for number in (1, 2):
        matrix = np.eye(4)
        matrix[0, 3] = 5 * number
        np.savetxt(folder / f"affine{number}.txt", matrix)
        grid = np.diag([12.0, 12, 12, 1])
        grid[:3, 3] = -40
        image = nibabel.Nifti1Image(np.zeros((6, 6, 6 + number), "i2"), grid)
        nibabel.save(image, folder / f"grid{number}.nii.gz")


def still_region(folder):
    """A region that does not vary in one run."""
    import pandas as pd

    path = folder / "input/sub-01_task-rest_timeseries.tsv"
    table = pd.read_csv(path, sep="\t")
    table["a"] = 1.0
    table.to_csv(path, sep="\t", index=False)


def cut_mask(folder):
    """Half of the brain is not covered."""
    import nibabel
    import numpy as np

    for path in folder.rglob("*_desc-brain_mask.nii.gz"):
        image = nibabel.load(path) if path.stat().st_size > 9 else None
        if image is not None:
            mask = np.asarray(image.dataobj).copy()
            mask[: len(mask) // 2, 0] = 0
            nibabel.save(nibabel.Nifti1Image(mask, image.affine, image.header), path)


def on_surfaces(folder):
    """Derivatives on surfaces in place of the images, and two meshes of each hemisphere."""
    import surfaces

    shutil.rmtree(folder / "input")
    surfaces.fmriprep(folder / "input", n_volumes=60)
    for side in "LR":
        surfaces.gifti_mesh(folder / f"{side}.surf.gii", *surfaces.sphere(2, radius=20.0))


BOTH = {"fmri.surfaces.left": "L.surf.gii", "fmri.surfaces.right": "R.surf.gii"}
CORTEX = {"fmri.atlas": "input/atlas.dlabel.nii", "fmri.smooth_mm": 20.0, **BOTH}
CORTEX_TARGET = (
    "results/work/fmri/sub-01/func/sub-01_task-rest_desc-denoisedSmoothed_bold.dtseries.nii"
)


def hemisphere(side):
    """A mesh of another size for one hemisphere."""
    return Key(
        "fmri_clean",
        f"input/hemi-{side[0].upper()}_midthickness.surf.gii",
        CORTEX,
        prepare=on_surfaces,
        target=CORTEX_TARGET,
    )


SCRUB = {"fmri.scrub": True, "fmri.min_seconds": 0}
SPACE = {"fmri.normalise.affine": "affine1.txt", "fmri.normalise.target": "grid1.nii.gz"}
SPHERES = {"fmri.atlas": "power264", "fmri.min_coverage": 0.0}
SPHERE_TARGET = (
    "results/work/fmri/sub-01/func/sub-01_task-rest_atlas-power264_stat-mean_timeseries.tsv"
)

MAP_TARGET = "results/work/fmri/sub-01/func/sub-01_task-rest_stat-reho_boldmap.nii.gz"


def clean(value, **under):
    return Key("fmri_clean", value, under)


FMRI = {
    "fmri.enabled": Key(
        "all",
        False,
        {"data.kind": "simulated", "fmri.atlas": "simulated", "adhd.enabled": False},
        plan=True,
        target="all",
    ),
    "fmri.preset": clean("paper", **{"fmri.strategy": "athena"}),
    "fmri.drop_volumes": clean(2),
    "fmri.slice_timing": Key("fmri_realign", "auto", plan=True, base="off"),
    "fmri.slice_reference": Key("fmri_slicetime", "middle_slice"),
    "fmri.realign.reference": Key("fmri_realign", "mean"),
    "fmri.realign.step": Key("fmri_realign", 2),
    "fmri.realign.fwhm_mm": Key("fmri_realign", 12.0),
    "fmri.realign.max_iter": Key("fmri_realign", 1),
    "fmri.normalise.affine": Key("fmri_realign", "affine2.txt", SPACE, prepare=template),
    "fmri.normalise.target": Key("fmri_realign", "grid2.nii.gz", SPACE, prepare=template),
    "fmri.surfaces.left": hemisphere("left"),
    "fmri.surfaces.right": hemisphere("right"),
    "fmri.strategy": clean("24P"),
    "fmri.confound_columns": Key(
        "fmri_clean", ["trans_x"], {"fmri.strategy": "custom"}, base=["trans_y"]
    ),
    "fmri.band": clean([0.01, 0.1]),
    "fmri.filter": clean("fourier"),
    "fmri.scrub": Key("fmri_clean", True, prepare=moving),
    "fmri.fd_mm": Key("fmri_clean", 0.3, SCRUB, prepare=moving),
    "fmri.std_dvars": Key("fmri_clean", 1.05, SCRUB, prepare=moving),
    "fmri.min_segment": Key("fmri_clean", 1, SCRUB, prepare=moving),
    "fmri.min_seconds": clean(500.0),
    "fmri.smooth_mm": clean(20.0),
    "fmri.clean_tables": Key("fmri_table", True),
    "fmri.constant_regions": Key("fmri_table", "exclude_run", prepare=still_region),
    "fmri.atlas": Key(
        "fmri_parcellate",
        "power264",
        SPHERES,
        plan=True,
        base="input/atlas.nii.gz",
        target="results/fmri/report.json",
    ),
    "fmri.sphere_mm": Key("fmri_parcellate", 20.0, SPHERES, target=SPHERE_TARGET),
    "fmri.min_coverage": Key("fmri_parcellate", 1.0, prepare=cut_mask),
    "fmri.connectome": Key("fmri_connectome", "partial"),
    "fmri.maps": Key("fmri_maps", ["reho"], base=["alff", "reho"], target=MAP_TARGET),
    "fmri.compare": Key("fmri_compare_run", ["none", "24P"], base=["none", "6P"]),
    "fmri.reho_neighbours": Key("fmri_maps", 7),
    "fmri.seeds": Key("fmri_maps", {"inside": [6, -18, 6]}),
}

ONE = {"adhd.features": ["degree"], "adhd.primary": "degree", "adhd.schemes": ["pooled"]}
LEVELS = {"target": "results/adhd/report.json", "plan": True}


def graph(value, **under):
    return Key("adhd_graph", value, under)


def diagnose(value, **under):
    return Key("adhd_diagnose", value, {**ONE, **under})


def gather(value, **under):
    return Key("adhd_features", value, under)


def two_runs(folder):
    """The first subject has a second run, whose maps are those of another subject."""
    import pandas as pd

    for top in ("input", "results/work/fmri", "results/adhd"):
        for path in list((folder / top / "sub-02/func").glob("sub-02_task-rest*")):
            other = path.name.replace("sub-02_task-rest", "sub-01_task-rest_run-2")
            shutil.copy(path, folder / top / "sub-01/func" / other)
    for name in ("runs", "group_qc"):
        path = folder / f"results/fmri/{name}.tsv"
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
        row = table.iloc[[0]].assign(run_key="sub-01_task-rest_run-2")
        pd.concat([table, row]).to_csv(path, sep="\t", index=False)


def lone_site(folder):
    """A site without cases."""
    import pandas as pd

    path = folder / "results/participants.tsv"
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    controls = table.index[table["dx"] == "0"][:2]
    table.loc[controls, "site"] = "lone"
    table.to_csv(path, sep="\t", index=False)


def one_voxel_less(folder):
    """One subject's mask lacks a voxel."""
    import nibabel
    import numpy as np

    path = next(folder.glob("results/work/fmri/sub-02/func/*_desc-brain_mask.nii.gz"))
    image = nibabel.load(path)
    mask = np.asarray(image.dataobj).copy()
    mask[tuple(np.argwhere(mask)[0])] = 0
    nibabel.save(nibabel.Nifti1Image(mask, image.affine, image.header), path)


def compare(value):
    return Key("adhd_group", value)


ADHD = {
    "adhd.enabled": Key(
        "all", False, {"data.kind": "simulated", "fmri.atlas": "simulated"}, plan=True, target="all"
    ),
    "adhd.preset": diagnose("paper"),
    "adhd.level": Key("adhd_features", "roi", **LEVELS),
    "adhd.threshold": graph(0.9, **{"adhd.density": None, "adhd.threshold": 0.5}),
    "adhd.density": graph(0.3),
    "adhd.distance_bins": graph([0, 15]),
    "adhd.features": gather(["degree", "fc"], **{"adhd.primary": "degree"}),
    "adhd.primary": Key("adhd_permute", "degree", {"adhd.features": ["degree", "cycle3"]}),
    "adhd.log1p": diagnose(False),
    "adhd.cycles4": graph(True),
    "adhd.block": Key("adhd_graph", 64, work=True),
    "adhd.mask.rule": diagnose("none"),
    "adhd.mask.cut": diagnose(1.0, **{"adhd.primary": "degree+mask"}),
    "adhd.mask.regions": Key("adhd_mask", "kmeans"),
    "adhd.mask.scope": Key("adhd_mask", "all", prepare=one_voxel_less),
    "adhd.pca": diagnose([1]),
    "adhd.shrinkage": diagnose("none"),
    "adhd.outer_folds": gather(2),
    "adhd.repeats": gather(2),
    "adhd.inner_folds": diagnose(3),
    "adhd.schemes": gather(["pooled"]),
    "adhd.site_groups": gather({"one": ["alpha"]}),
    "adhd.keep_single_class_sites": Key("adhd_features", True, prepare=lone_site),
    "adhd.runs": Key("adhd_features", "first", prepare=two_runs),
    "adhd.deconfound": diagnose(["age"]),
    "adhd.harmonise": diagnose("location_scale", **{"adhd.transductive": True}),
    "adhd.protect": diagnose(
        ["mean_fd"], **{"adhd.transductive": True, "adhd.harmonise": "combat"}
    ),
    "adhd.transductive": Key(
        "adhd_diagnose",
        False,
        {**ONE, "adhd.harmonise": "location_scale", "adhd.schemes": ["leave_site_out"]},
        base=True,
        refused="an unseen site cannot be harmonised",
    ),
    "adhd.truncate_to": graph(40),
    "adhd.targets": Key("adhd_targets", {"sex": "classes"}),
    "adhd.group.enabled": Key(
        "all",
        False,
        {"data.kind": "simulated", "fmri.atlas": "simulated"},
        base=True,
        plan=True,
        target="all",
    ),
    "adhd.group.target": Key("adhd_group", "age", {"adhd.group.kind": "number"}),
    "adhd.group.kind": compare("number"),
    "adhd.group.covariates": compare(["site"]),
    "adhd.group.permutations": compare(40),
    "adhd.group.component_p": compare(0.2),
    "adhd.group.tfce_extent": compare(1.0),
    "adhd.group.tfce_height": compare(2.0),
    "adhd.group.tfce_step": compare(0.3),
    "adhd.permutations": Key("adhd_permute", 6),
    "adhd.bootstrap": Key("adhd_summary", 200),
}
KEYS = FMRI | ADHD
