"""Cases of the table of equality: images, regions, connectomes, cleaning, motion."""

from __future__ import annotations

import functools
import itertools

import numpy as np
from equality_case import Case

TR = 2.0
BAND = (0.01, 0.08)


@functools.cache
def _runs(n_runs=12, n_regions=60):
    """Correlated, autocorrelated region series of several lengths."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(n_regions, n_regions)) / 4 + np.eye(n_regions)
    found = []
    for number in range(n_runs):
        noise = rng.normal(size=(150 + 10 * number, n_regions))
        noise[1:] += 0.4 * noise[:-1]
        found.append(100 + noise @ mixing)
    return found


def _z(series):
    return [(x - x.mean(axis=0)) / x.std(axis=0) for x in series]


def _edges(matrices):
    row, column = np.triu_indices(np.shape(matrices)[-1], 1)
    return np.asarray(matrices)[:, row, column]


def _connectome(kind, theirs, *, shrunk=False, after=lambda values: values):
    def make():
        from nilearn.connectome import ConnectivityMeasure
        from sklearn.covariance import EmpiricalCovariance, LedoitWolf

        from neuro.fmri import Connectome

        estimator = LedoitWolf(store_precision=False) if shrunk else EmpiricalCovariance()
        centred = kind == "covariance"
        series = [x - x.mean(axis=0) for x in _runs()] if centred else _z(_runs())
        measure = ConnectivityMeasure(estimator, kind=theirs, standardize=False)
        return (
            lambda: Connectome(kind).fit_transform(_runs()),
            lambda: after(_edges(measure.fit_transform(series))),
        )

    return make


def _unbiased(edges):
    n = np.array([[len(x)] for x in _runs()])
    return edges * n / (n - 1)


def _default_partial():
    """Ours beside what nilearn does where nothing is said but the kind."""
    from nilearn.connectome import ConnectivityMeasure

    from neuro.fmri import Connectome

    measure = ConnectivityMeasure(kind="partial correlation", standardize=False)
    return (
        lambda: Connectome("partial").fit_transform(_runs()),
        lambda: _edges(measure.fit_transform(_runs())),
    )


def _tangent():
    from nilearn.connectome import ConnectivityMeasure
    from sklearn.covariance import LedoitWolf

    from neuro.fmri import TangentConnectome

    measure = ConnectivityMeasure(
        LedoitWolf(store_precision=False), kind="tangent", standardize=False
    )
    return (
        lambda: TangentConnectome().fit_transform(_runs()),
        lambda: _edges(measure.fit_transform(_z(_runs()))),
    )


@functools.cache
def _image():
    """A run of 60 volumes, its mask (not the whole grid), 40 regions and maps without overlap."""
    import nibabel as nib

    rng = np.random.default_rng(1)
    shape, affine = (24, 28, 20), np.diag([3.0, 3.0, 3.0, 1.0])
    grid = np.moveaxis(np.indices(shape), 0, -1).reshape(-1, 3)
    centres = rng.uniform(0, shape, (40, 3))
    away = np.linalg.norm(grid[:, None] - centres, axis=2)
    owner = np.where(away.min(axis=1) < 3.5, away.argmin(axis=1) + 1, 0).reshape(shape)
    middle = np.linalg.norm((grid - np.array(shape) / 2) / shape, axis=1).reshape(shape)
    mask = middle < 0.3  # a kernel away from the border, which they reflect
    # outside of the brain something else goes on, as in a scanner
    data = rng.normal(size=(*shape, 60)) + 100.0 * mask[..., None] + 300.0 * ~mask[..., None]
    image, brain, labels = (
        nib.Nifti1Image(values, affine)
        for values in (
            data.astype(np.float32),
            mask.astype(np.uint8),
            (owner * mask).astype(np.int16),
        )
    )
    maps = np.stack([(owner == k) & mask for k in range(1, 41)], axis=-1).astype(np.float32)
    full = maps.reshape(-1, 40).any(axis=0)
    return image, brain, labels, nib.Nifti1Image(maps[..., full], affine)


def _labels():
    from nilearn.maskers import NiftiLabelsMasker

    from neuro.fmri import Parcellator

    image, brain, labels, _ = _image()
    masker = NiftiLabelsMasker(
        labels, mask_img=brain, standardize=None, keep_masked_labels=False
    ).fit()
    ours = Parcellator(labels, brain, min_coverage=0.0).fit()
    return lambda: ours.transform(image), lambda: masker.transform(image)


def _maps():
    from nilearn.maskers import NiftiMapsMasker

    from neuro.fmri import Parcellator

    image, brain, _, maps = _image()
    masker = NiftiMapsMasker(maps, mask_img=brain, standardize=None, keep_masked_maps=True).fit()
    ours = Parcellator(maps, brain, min_coverage=0.0).fit()
    return lambda: ours.transform(image), lambda: masker.transform(image)


@functools.cache
def _whole_head():
    import nibabel as nib

    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = [-90, -126, -72]
    rng = np.random.default_rng(2)
    data = rng.normal(100, 1, (46, 55, 46, 30)).astype(np.float32)
    return nib.Nifti1Image(data, affine), nib.Nifti1Image(np.ones(data.shape[:3], np.uint8), affine)


def _spheres(apart):
    def make():
        from nilearn.maskers import NiftiSpheresMasker

        from neuro.fmri import Parcellator

        image, everything = _whole_head()
        ours = Parcellator("dosenbach160", everything, min_coverage=0.0, radius_mm=8.0).fit()
        masker = NiftiSpheresMasker(
            [tuple(row) for row in ours.coords_],
            radius=8.0,
            mask_img=everything,
            allow_overlap=True,
            standardize=None,
        ).fit()
        between = np.linalg.norm(ours.coords_[:, None] - ours.coords_, axis=2)
        np.fill_diagonal(between, np.inf)
        lonely = between.min(axis=1) > 16
        chosen = lonely if apart else ~lonely
        return (
            lambda: ours.transform(image)[:, chosen],
            lambda: masker.transform(image)[:, chosen],
        )

    return make


def _smooth_inside():
    """Inside a mask: their smoothed image over their smoothed mask."""
    from nilearn.image import math_img, smooth_img

    from neuro.fmri.clean.smooth import smooth

    image, brain, _, _ = _image()
    inside = np.asarray(brain.dataobj) > 0

    def theirs():
        masked = smooth_img(math_img("i * m[..., None]", i=image, m=brain), 6.0)
        share = smooth_img(math_img("m.astype('float32')", m=brain), 6.0)
        return masked.get_fdata()[inside] / share.get_fdata()[inside][:, None]

    return lambda: np.asarray(smooth(image, 6.0, brain).dataobj)[inside], theirs


def _smooth_leaks():
    from nilearn.image import smooth_img

    from neuro.fmri.clean.smooth import smooth

    image, brain, _, _ = _image()
    inside = np.asarray(brain.dataobj) > 0
    return (
        lambda: np.asarray(smooth(image, 6.0, brain).dataobj)[inside],
        lambda: smooth_img(image, 6.0).get_fdata()[inside],
    )


@functools.cache
def _voxels(n=240, n_series=2000):
    rng = np.random.default_rng(3)
    confounds = np.cumsum(rng.normal(size=(n, 9)), axis=0)
    series = rng.normal(size=(n, n_series)) + confounds @ rng.normal(size=(9, n_series))
    return 1000 + series, confounds


def _clean_cosine():
    from nilearn.glm.first_level.design_matrix import create_cosine_drift
    from nilearn.signal import clean

    from neuro.fmri import Denoiser

    series, confounds = _voxels()
    drift = create_cosine_drift(BAND[0], np.arange(len(series)) * TR)[:, :-1]
    ours = Denoiser(None, None, "none", detrend=False)
    options = {"filter": "cosine", "high_pass": BAND[0], "t_r": TR, "standardize": None}
    return (
        lambda: ours.fit_transform(series, tr=TR, confounds=np.hstack([confounds, drift])),
        lambda: (
            clean(series, detrend=False, confounds=confounds, **options)
            - clean(series, detrend=False, confounds=confounds, **options).mean(axis=0)
        ),
    )


def _clean_butterworth(order, rest):
    """240 volumes that vary, with `rest` volumes of silence at both ends."""

    def make():
        from nilearn.signal import clean

        from neuro.fmri import Denoiser

        series, confounds = (np.diff(x[:, :300], axis=0) for x in _voxels(241))
        series, confounds = (
            np.pad(x - x.mean(axis=0), ((rest, rest), (0, 0))) for x in (series, confounds)
        )
        ours = Denoiser(*BAND, "butterworth", order=order, detrend=False)
        return (
            lambda: ours.fit_transform(series, tr=TR, confounds=confounds),
            lambda: clean(
                series,
                confounds=confounds,
                detrend=False,
                standardize=None,
                standardize_confounds=False,
                filter="butterworth",
                high_pass=BAND[0],
                low_pass=BAND[1],
                t_r=TR,
            ),
        )

    return make


@functools.cache
def _motion():
    rng = np.random.default_rng(4)
    steps = rng.normal(size=(300, 6)) * [0.05, 0.05, 0.05, 5e-4, 5e-4, 5e-4]
    return np.cumsum(steps, axis=0)


def _fd_power():
    """nipype's FramewiseDisplacement, normalised, radius 50 mm."""
    from neuro.fmri import framewise_displacement

    def theirs():
        moved = _motion().copy()
        # their unit is mm of arc
        moved[:, 3:6] = 2 * 50 * np.pi / 360 * np.rad2deg(moved[:, 3:6])
        return np.abs(moved[:-1] - moved[1:]).sum(axis=1)

    return lambda: framewise_displacement(_motion())[1:], theirs


def _fd_jenkinson():
    """FSL's rmsdiff, radius 80 mm, rotations by scipy."""
    from scipy.spatial.transform import Rotation

    from neuro.fmri import framewise_displacement

    def affine(row):
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_euler("xyz", row[3:]).as_matrix()
        matrix[:3, 3] = row[:3]
        return matrix

    def theirs():
        matrices = [affine(row) for row in _motion()]
        found = []
        for before, after in itertools.pairwise(matrices):
            change = after @ np.linalg.inv(before) - np.eye(4)
            part, shift = change[:3, :3], change[:3, 3]
            found.append(np.sqrt(80.0**2 / 5 * np.trace(part.T @ part) + shift @ shift))
        return np.array(found)

    return lambda: framewise_displacement(_motion(), 80.0, "jenkinson")[1:], theirs


def _dvars(n):
    """nipype's compute_dvars: plain and standardised."""

    def make():
        from neuro.fmri import dvars

        rng = np.random.default_rng(5)
        series = rng.normal(size=(n, 800))
        series[1:] += 0.3 * series[:-1]
        series = series * rng.uniform(1, 4, 800) + 100

        def theirs():
            func = series.T
            high = np.percentile(func, 75, axis=1, method="lower")
            sd = (high - np.percentile(func, 25, axis=1, method="lower")) / 1.349
            plain = np.sqrt(np.square(np.diff(func, axis=1)).mean(axis=0))
            centred = func - func.mean(axis=1, keepdims=True)
            lags = [(centred[:, k:] * centred[:, : n - k]).sum(axis=1) / n for k in (0, 1)]
            expected = (np.sqrt((1 - lags[1] / lags[0]) * 2) * sd).mean()
            return [plain, plain / expected]

        return lambda: [part[1:] for part in dvars(series, scale=False)], theirs

    return make


_STANDARD = "z-scored input, `EmpiricalCovariance()`, `standardize=False`"

CASES = (
    Case(
        "fmri.Connectome('pearson')",
        "nilearn ConnectivityMeasure('correlation')",
        _STANDARD,
        _connectome("pearson", "correlation"),
        1e-6,
    ),
    Case(
        "fmri.Connectome('fisher_z')",
        "nilearn ConnectivityMeasure('correlation')",
        _STANDARD + ", then `numpy.arctanh`",
        _connectome("fisher_z", "correlation", after=np.arctanh),
        1e-6,
    ),
    Case(
        "fmri.Connectome('covariance')",
        "nilearn ConnectivityMeasure('covariance')",
        "centred input, `EmpiricalCovariance()`, times n / (n - 1)",
        _connectome("covariance", "covariance", after=_unbiased),
        1e-6,
    ),
    Case(
        "fmri.Connectome('partial')",
        "nilearn ConnectivityMeasure('partial correlation')",
        "z-scored input, `LedoitWolf(store_precision=False)`",
        _connectome("partial", "partial correlation", shrunk=True),
        1e-6,
        "shrinkage of series in scanner units goes towards the mean variance of all regions, "
        "so that a loud region decides; ours standardises first",
        _default_partial,
    ),
    Case(
        "fmri.TangentConnectome",
        "nilearn ConnectivityMeasure('tangent')",
        "z-scored input, `LedoitWolf(store_precision=False)`, without the diagonal",
        _tangent,
        1e-4,
    ),
    Case(
        "fmri.Parcellator, labels",
        "nilearn NiftiLabelsMasker",
        "the same `mask_img`, `standardize=None`, `min_coverage=0`",
        _labels,
        1e-6,
    ),
    Case(
        "fmri.Parcellator, spheres",
        "nilearn NiftiSpheresMasker",
        "8 mm spheres that share no voxel, `allow_overlap=True`",
        _spheres(True),
        5e-6,
        "a voxel in reach of two centres belongs to the nearer, so that two regions never share "
        "a series; shown are the spheres that overlap",
        _spheres(False),
    ),
    Case(
        "fmri.Parcellator, maps",
        "nilearn NiftiMapsMasker",
        "maps of one value without overlap, the same `mask_img`",
        _maps,
        5e-6,
    ),
    Case(
        "fmri.smooth",
        "nilearn smooth_img",
        "their smoothed masked image over their smoothed mask, inside the mask",
        _smooth_inside,
        1e-5,
        "what lies outside of the brain must not leak in, nor the edge fade; shown is "
        "`smooth_img` of the whole image",
        _smooth_leaks,
    ),
    Case(
        "fmri.Denoiser, cosines",
        "nilearn signal.clean(filter='cosine')",
        "`filter='none'` with their cosines as confounds, no line; the mean taken out of theirs",
        _clean_cosine,
        1e-8,
    ),
    Case(
        "fmri.Denoiser('butterworth')",
        "nilearn signal.clean(filter='butterworth')",
        "order 5, nine confounds, 240 volumes between 500 of silence, so that no end matters",
        _clean_butterworth(5, 500),
        1e-5,
        "a series goes on by reflection, which leaves least out-of-band power at the ends, and "
        "the order is 2 as in XCP-D; theirs is padded by its odd mirror image, order 5. Shown "
        "are the 240 volumes alone",
        _clean_butterworth(2, 0),
    ),
    Case(
        "fmri.framewise_displacement('power')",
        "nipype FramewiseDisplacement (formula retyped)",
        "rotations in mm of arc, radius 50 mm",
        _fd_power,
        1e-12,
    ),
    Case(
        "fmri.framewise_displacement('jenkinson')",
        "FSL rmsdiff (formula retyped)",
        "radius 80 mm, centre at the origin",
        _fd_jenkinson,
        1e-10,
    ),
    Case(
        "fmri.dvars",
        "nipype compute_dvars (formula retyped)",
        "no scaling, 4 k + 1 volumes, where the quartiles are values of the series",
        _dvars(201),
        1e-10,
        "quartiles are interpolated; theirs takes the lower value, as FSL. Shown are 40 volumes",
        _dvars(40),
    ),
)
