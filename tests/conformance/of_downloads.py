"""Public image-fMRI data as they are downloaded: small folders that are true in structure."""

from __future__ import annotations

import numpy as np
from conformance_cases import Case, tree, voxels

GROUP = "Images and voxels, downloaded"


def pictures(n, edge=16, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, edge, edge, 3), dtype=np.uint8)


def save_picture(path, pixels):
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def algonauts(*, sides=("lh", "rh"), rows=30, edge=16, masks=None, cut=False, repeat=False):
    """30 pictures, 4 vertices of the left and 5 of the right hemisphere."""

    def make(folder):
        root = folder / "subj01"
        shown = pictures(30, edge)
        for k, pixels in enumerate(shown):
            name = f"train-{k + 1:04d}_nsd-{0 if repeat and k == 1 else k:05d}.png"
            save_picture(root / "training_split" / "training_images" / name, pixels)
        if cut:
            last = root / "training_split" / "training_images" / name
            last.write_bytes(last.read_bytes()[:100])
        save_picture(root / "test_split" / "test_images" / "test-0001_nsd-00077.png", shown[0])
        rng = np.random.default_rng(1)
        for side, n in (("lh", 4), ("rh", 5)):
            if side in sides:
                place = root / "training_split" / "training_fmri" / f"{side}_training_fmri.npy"
                place.parent.mkdir(parents=True, exist_ok=True)
                np.save(place, rng.standard_normal((rows, n)).astype(np.float32))
        for name, values in (masks or {}).items():
            place = root / "roi_masks" / f"{name}_challenge_space.npy"
            place.parent.mkdir(parents=True, exist_ok=True)
            np.save(place, np.array(values))
        return voxels(root), None

    return make


LEFT = {"lh.floc-faces": [0, 1, 2, 9], "lh.floc-bodies": [0, 1, 0, 0]}
NINE = {"images": 30, "size": (3, 16, 16), "voxels": 9, "test": 3, "shared": 0}


def things(*, lacking=False, columns=40, subjects=("01",), tiers=True):
    """20 pictures of training shown once, 5 of the test shown four times; 6 voxels."""

    def make(folder):
        import h5py

        shown = pictures(25, 20)
        order = [*range(20), *np.repeat(np.arange(20, 25), 4)]
        names = [f"thing{k}_{k:02d}s.jpg" for k in range(25)]
        for name, pixels in list(zip(names, shown))[lacking:]:
            save_picture(folder / "d" / "images" / name.split("_")[0] / name, pixels)
        for subject in subjects:
            base = folder / "d" / f"sub-{subject}"
            with h5py.File(f"{base}_ResponseData.h5", "w") as file:
                table = file.create_group("ResponseData")
                table["block0_values"] = np.random.default_rng(2).random((6, columns))
                table["block1_values"] = np.arange(6)[:, None]
            lines = ["trial_type,session,run,stimulus,concept"]
            lines += [
                f"{'train' if k < 20 and tiers else 'test'},1,1,{names[k]},thing{k}" for k in order
            ]
            (folder / "d" / f"sub-{subject}_StimulusMetadata.csv").write_text("\n".join(lines))
            rows = ["voxel_id,subject_id,V1,V2,lFFA,nc_singletrial"]
            rows += [f"{k},1,{int(k < 2)},{int(k == 1)},{int(k > 4)},0.{k}5" for k in range(6)]
            (folder / "d" / f"sub-{subject}_VoxelMetadata.csv").write_text("\n".join(rows))
        return voxels(folder / "d"), None

    return make


def bold5000(*, rows=24, tables=("TR34",), doubled=False, suffix="h5"):
    """20 pictures of three collections, four of them shown twice."""

    def make(folder):
        import h5py
        from scipy.io import savemat

        shown = pictures(20, 24)
        kinds = ("COCO", "ImageNet", "Scene")
        names = [f"{kinds[k % 3].lower()}_{k}.jpg" for k in range(20)]
        for k, (name, pixels) in enumerate(zip(names, shown)):
            save_picture(folder / "d" / "Presented_Stimuli" / kinds[k % 3] / name, pixels)
        if doubled:
            save_picture(folder / "d" / "other" / names[0], shown[0])
        listed = [*names, *(f"rep_{name}" for name in names[:4])]
        (folder / "d" / "CSI1_stim_lists.txt").write_text("\n".join(listed) + "\n")
        rng = np.random.default_rng(3)
        for tr in tables:
            values = {
                key: rng.standard_normal((rows, n)) for key, n in (("LHPPA", 4), ("RHLOC", 3))
            }
            path = folder / "d" / f"CSI1_ROIs_{tr}.{suffix}"
            if suffix == "mat":
                savemat(path, values)
                continue
            with h5py.File(path, "w") as file:
                for key, array in values.items():
                    file[key] = array
        return voxels(folder / "d"), None

    return make


def nsd(*, design=True, versions=("betas_fithrf",), grid=(5, 4, 3), masks=True, subject="subj02"):
    """One session: 750 trials of 300 pictures, 40 of them shared; the regions lie at known x."""

    def make(folder):
        import h5py
        import nibabel
        from scipy.io import savemat

        root = folder / "d"
        rng = np.random.default_rng(4)
        order = np.concatenate([np.arange(1, 301), rng.integers(1, 301, 450)])
        # the first 40 are seen by all
        ids = np.stack([[*range(1, 41), *(rng.permutation(860) + 41)] for _ in range(8)])
        if design:
            place = root / "nsddata" / "experiments" / "nsd"
            place.mkdir(parents=True)
            parts = {"masterordering": order[None], "subjectim": ids, "sharedix": ids[:1, :40]}
            savemat(place / "nsd_expdesign.mat", parts)
        place = root / "nsddata_stimuli" / "stimuli"
        place.mkdir(parents=True)
        with h5py.File(place / "nsd_stimuli.hdf5", "w") as file:
            file["imgBrick"] = pictures(900, 16)
        for version in versions:
            place = root / "nsddata_betas" / subject / "func1pt8mm" / version
            place.mkdir(parents=True)
            betas = rng.integers(-900, 900, (750, *(5, 4, 3)[::-1]), dtype=np.int16)
            betas[:, 2, 3, 4] = 300 * (np.arange(750) % 2)  # x 4, y 3, z 2
            with h5py.File(place / "betas_session01.hdf5", "w") as file:
                file["betas"] = betas
        if masks:
            place = root / "nsddata" / "ppdata" / subject / "roi"
            place.mkdir(parents=True)
            general, faces = np.full(grid, -1), np.zeros(grid)
            general[3:, 1:, :] = 1
            faces[-1, -1, -1] = 2
            for name, mask in (("nsdgeneral", general), ("floc-faces", faces)):
                image = nibabel.Nifti1Image(mask.astype(np.int16), np.eye(4))
                nibabel.save(image, place / f"{name}.nii.gz")
        return voxels(root), None

    return make


ROWS = [
    (
        "right",
        "Algonauts 2023, both hemispheres, masks",
        algonauts(masks=LEFT),
        NINE | {"regions": ["none", "EBA|OFA", "FFA-1", "floc-faces-9", *["none"] * 5]},
    ),
    ("right", "Algonauts 2023, no masks", algonauts(), NINE | {"regions": ["all"] * 9}),
    ("odd", "Algonauts 2023, left hemisphere alone", algonauts(sides=["lh"]), NINE | {"voxels": 4}),
    (
        "odd",
        "Algonauts 2023, pictures of 300 pixels",
        algonauts(edge=300),
        NINE | {"size": (3, 128, 128)},
    ),
    (
        "odd",
        "Algonauts 2023, a picture of NSD twice",
        algonauts(repeat=True),
        NINE | {"images": 29, "test": 2},
    ),
    ("broken", "Algonauts 2023, a row too few", algonauts(rows=29), "a row for each of the 30"),
    (
        "broken",
        "Algonauts 2023, a mask of fsaverage",
        algonauts(masks={"lh.streams": [1] * 7}),
        "7 vertices, lh_training_fmri.npy has 4",
    ),
    ("broken", "Algonauts 2023, a picture cut off", algonauts(cut=True), "not a readable picture"),
    (
        "broken",
        "Algonauts 2023, no responses",
        algonauts(sides=[]),
        "no training_split/training_fmri",
    ),
    (
        "right",
        "THINGS-fMRI, a subject",
        things(),
        {"images": 25, "size": (3, 24, 24), "voxels": 6, "test": 5, "shared": 0}
        | {"regions": ["V1", "V1|V2", "none", "none", "none", "lFFA"]},
    ),
    ("odd", "THINGS-fMRI, two subjects", things(subjects=("01", "02")), "with one subject"),
    ("odd", "THINGS-fMRI, all trials called test", things(tiers=False), {"images": 25, "test": 2}),
    ("broken", "THINGS-fMRI, a picture is absent", things(lacking=True), "thing0_00s"),
    ("broken", "THINGS-fMRI, a trial too few", things(columns=39), "6 voxels x 39 trials"),
    (
        "right",
        "BOLD5000, regions as HDF5",
        bold5000(),
        {"images": 20, "voxels": 7, "shared": 0, "regions": ["LHPPA"] * 4 + ["RHLOC"] * 3},
    ),
    ("right", "BOLD5000, regions as MATLAB", bold5000(suffix="mat"), {"images": 20, "voxels": 7}),
    ("odd", "BOLD5000, two TRs", bold5000(tables=("TR3", "TR34")), "with one subject and one TR"),
    ("odd", "BOLD5000, a picture in two folders", bold5000(doubled=True), "lies in two folders"),
    ("broken", "BOLD5000, trials without a name", bold5000(rows=30), "names 24 trials"),
    (
        "right",
        "NSD, a session",
        nsd(),
        {"images": 300, "size": (3, 16, 16), "voxels": 18, "test": 40, "shared": 0}
        | {"regions": ["none"] * 17 + ["FFA-1"]},
    ),
    (
        "odd",
        "NSD, two versions of the betas",
        nsd(versions=("betas_assumehrf", "betas_fithrf")),
        "2 folders of betas_session",
    ),
    ("odd", "NSD, masks of another resolution", nsd(grid=(6, 4, 3)), "grid (6, 4, 3), the betas"),
    ("odd", "NSD, no masks", nsd(masks=False), "a whole brain of 60 voxels is not read"),
    ("broken", "NSD, a folder without a subject", nsd(subject="s"), "no folder subj01 to subj08"),
]


def init(make):
    def init_make(folder):
        make(folder)
        return tree(next(iter(folder.iterdir()))), None

    return init_make


DIVE = {"kind": "none", "stages": ["braindive"]}
INIT = [
    ("right", "Algonauts 2023", init(algonauts(masks=LEFT)), DIVE),
    ("right", "NSD", init(nsd()), DIVE),
    ("broken", "THINGS-fMRI, a picture is absent", init(things(lacking=True)), "thing0_00s"),
]
CASES = [Case(GROUP, *row) for row in ROWS]
CASES += [Case("neuro init: downloaded images and voxels", *row) for row in INIT]
