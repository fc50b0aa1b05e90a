"""One run from image files to clean files."""

from __future__ import annotations

import dataclasses

import pandas as pd

from neuro.base import provenance
from neuro.fmri.clean.run import RunResult, denoise_run
from neuro.io.bids.confounds import read_confounds
from neuro.io.bids.motion import read_motion
from neuro.io.formats import excluded, tables
from neuro.io.images.runs import load_run, run_series, write_run_mask, write_run_series

PACKAGES = ("numpy", "scipy", "nibabel")


@dataclasses.dataclass(frozen=True)
class RunFiles:
    """Where the results of a run go; all paths."""

    denoised: str
    smoothed: str
    mask: str
    confounds: str
    outliers: str
    qc: str
    figures: str
    exclusions: str

    def mark_excluded(self, run_key, reasons, step="read") -> None:
        """Leave empty files and one row per reason.

        Parameters
        ----------
        run_key : str
        reasons : sequence of str
        step : str
            Where the run was left out.
        """
        self.pass_on([tables.exclusion(run_key, step, reason) for reason in reasons])

    def pass_on(self, rows) -> None:
        """Leave empty files for a run that an earlier step left out, with the rows it wrote."""
        excluded.mark_with_reasons(dataclasses.asdict(self).values(), self.exclusions, rows)


def clean_image(
    bold,
    mask,
    files: RunFiles,
    *,
    run_key,
    tr=None,
    voxel_size=None,
    confounds=None,
    motion=None,
    motion_order=None,
    motion_units=None,
    settings=None,
    space="",
    surfaces=(),
) -> RunResult:
    """Read, clean and write one run.

    Parameters
    ----------
    bold, mask : path-like
        4D image and brain mask on the same grid; series on surfaces (`.dtseries.nii`, or the left
        `.func.gii`) have no mask.
    files : RunFiles
        Results. Those of a run that cannot be used further hold 0 bytes, but its quality row
        and figures are kept.
    run_key : str
    tr : float, optional
        Sampling interval (s); the sidecar's or header's by default.
    voxel_size : sequence of float, optional
        In mm, for headers without one.
    confounds : path-like, optional
        Table as fMRIPrep writes it.
    motion : path-like, optional
        Six motion parameters as bare text, with `motion_order` and `motion_units`.
    settings : dict
        See :func:`neuro.fmri.clean.run.denoise_run`.
    space : str
        For the sidecars, e.g. a template's name or `native`.
    surfaces : sequence of path-like
        Meshes of both hemispheres, for series on surfaces.

    Returns
    -------
    RunResult

    Raises
    ------
    InputProblem
        When a file cannot be read or files do not fit together.
    """
    image, mask_img = load_run(bold, mask, tr=tr, voxel_size=voxel_size, surfaces=surfaces)
    table, meta = read_confounds(confounds) if confounds else (None, None)
    parameters = read_motion(motion, motion_order, motion_units) if motion else None
    result = denoise_run(
        run_series(image, mask_img),
        mask_img,
        tr=image.tr,
        confounds=table,
        meta=meta,
        motion=parameters if table is None else None,
        settings=settings,
        run_key=run_key,
    )
    write_run(result, image, mask_img, files, [bold, mask, confounds, motion], space=space)
    return result


def write_run(result, image, mask_img, files: RunFiles, sources, *, space="") -> None:
    """Write a cleaned run with its sidecars; of an excluded one only quality and figures.

    Parameters
    ----------
    result : RunResult
    image : neuro.io.images.nifti.Bold or neuro.io.images.grayordinates.GrayBold
    mask_img : nibabel image or GraySpace
    files : RunFiles
    sources : sequence of path-like or None
        Files that were read: image, mask, then others.
    space : str
    """
    import numpy as np

    side = {
        "parameters": result.parameters,
        "inputs": [source for source in sources if source],
        "packages": PACKAGES,
        "Notes": result.notes,
        **({"Space": space} if space else {}),
    }
    tables.write_tsv(files.qc, pd.DataFrame([result.qc]).assign(status=_status(result)))
    tables.write_exclusions(files.exclusions, result.exclusions)
    flags = result.outliers.rename(columns={"fd": "fd_outlier", "std_dvars": "dvars_outlier"})
    tables.write_tsv(files.outliers, flags.join(result.traces))
    np.savez_compressed(files.figures, **result.figures)
    provenance.sidecar(files.qc, **side, Description="Quality of the run, one row")
    if result.excluded:
        excluded.mark([files.denoised, files.smoothed, files.mask, files.confounds])
        return
    timing = {
        "RepetitionTime": image.tr,
        "TRSource": image.tr_source,
        "VolumesKept": np.flatnonzero(result.kept),
        "SkullStripped": True,
    }
    smoothed = result.denoised if result.smoothed is None else result.smoothed
    write_run_series(files.denoised, result.denoised, mask_img, image.tr)
    write_run_series(files.smoothed, smoothed, mask_img, image.tr)
    columns = result.confounds.table() if result.confounds is not None else pd.DataFrame()
    tables.write_tsv(files.confounds, columns if columns.shape[1] else pd.DataFrame({"none": []}))
    for path, what in (
        (files.denoised, "Denoised series, kept volumes only, not smoothed"),
        (files.smoothed, "Denoised series, kept volumes only, smoothed inside the brain mask"),
        (files.confounds, "Regressors of the cleaning, all volumes after those dropped at start"),
    ):
        provenance.sidecar(path, **side, **timing, Description=what)
    side["inputs"] = side["inputs"][:2]
    write_run_mask(files.mask, ~result.constant, mask_img, reference=sources[0], **side)


def _status(result) -> str:
    return "excluded" if result.excluded else "used"
