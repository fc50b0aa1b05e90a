"""Small sound files of every kind that is read, and their readers, for tests that break them."""

import gzip
import io
import json
from datetime import UTC, datetime

import breaking
import numpy as np
import pytest

from neuro.io.problems import InputProblem

RNG = np.random.default_rng(0)
SERIES = RNG.normal(size=(40, 4)).round(4)
MOTION = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
TRAINS = [np.arange(0.5, 20, 0.7), np.arange(1.0, 20, 1.1)]


def rows(values, mark="\t", header=None):
    lines = [mark.join(header)] if header else []
    lines += [mark.join(f"{value:.5g}" for value in row) for row in np.atleast_2d(values)]
    return "\n".join(lines).encode() + b"\n"


def save(function, *args, **kwargs):
    """Bytes that a function writes into a stream."""
    stream = io.BytesIO()
    function(stream, *args, **kwargs)
    return stream.getvalue()


def image(shape=(4, 4, 3, 12), packed=True):
    import nibabel

    affine = np.diag([3.0, 3, 4, 1])
    affine[:3, 3] = -5
    data = (100 + RNG.normal(size=shape)).astype(np.int16)
    img = nibabel.Nifti1Image(data, affine)
    img.header.set_zooms((3, 3, 4, 2.0)[: len(shape)])
    img.header.set_xyzt_units("mm", "sec")
    return gzip.compress(img.to_bytes(), 1) if packed else img.to_bytes()


COUNTS = {
    "seq_0": RNG.poisson(1, (50, 3)),
    "seq_1": RNG.poisson(1, (30, 3)),
    "bin_s": 0.02,
    "unit": ["a", "b", "c"],
}
TRACES = {"traces": SERIES, "names": np.array(["AVA", "AVB", "RIB", "SMD"]), "fs": 5.0}
STIMULI = {
    "stimuli": RNG.random((12, 1, 4, 5)).astype(np.float32),
    "responses": RNG.random((12, 3)).astype(np.float32),
    "tier": np.array(["train"] * 8 + ["validation"] * 2 + ["test"] * 2),
    "unit": np.array(["a", "b", "c"]),
}
KERNELS = {"kernels": RNG.random((3, 3, 8)), "names": ["a", "b", "c"], "t": np.arange(8) / 2}
SPIKES_MAT = {"spks": np.column_stack([[1, 2, 1, 2, 1], [0.1, 0.2, 0.3, 0.4, 0.5]])}
TRACES_MAT = {"traces": SERIES, "fs": 5.0}


def read_nifti_series(path):
    from neuro.io.images import nifti

    bold = nifti.load_bold(path)
    return nifti.masked_series(bold, full_mask(bold))


def full_mask(bold):
    import nibabel

    return nibabel.Nifti1Image(np.ones(bold.img.shape[:3], np.uint8), bold.img.affine)


def read_header(path):
    from neuro.io.images.header import header_tr, n_volumes

    return header_tr(path), n_volumes(path)


def confounds_with_json(path):
    from neuro.io.bids.confounds import read_confounds

    return read_confounds(path.with_suffix(".tsv"))


def bids_sidecar(path):
    from neuro.io.bids.scanner import metadata, problem_lines, scan

    table = scan(path.parents[2])
    metadata(path.parents[2], "sub-01/func/sub-01_task-rest_bold.nii.gz")
    lines = problem_lines(table)
    if lines:
        raise InputProblem(lines)


def function(module, name, **keys):
    """A reader by name, imported when it is called."""

    def read(path):
        import importlib

        return getattr(importlib.import_module(f"neuro.io.{module}"), name)(path, **keys)

    return read


AGE = b"participant_id\tsite\tage\tsex\tdx\nsub-01\tA\t12.5\tM\t0\nsub-02\tB\t9\tF\t1\n"
# name of the file, its sound content, how text or bytes break, the reader
FILES = {
    "table": ("x.tsv", AGE, breaking.text, function("formats.tables", "read_tsv")),
    "participants": ("x.tsv", AGE, breaking.text, function("formats.tables", "read_participants")),
    "confounds": (
        "x_desc-confounds_timeseries.tsv",
        rows(RNG.normal(size=(20, 7)), header=[*MOTION, "csf"]),
        breaking.text,
        function("bids.confounds", "read_confounds"),
    ),
    "confounds json": (
        "x_desc-confounds_timeseries.json",
        json.dumps({"a_comp_cor_00": {"Mask": "CSF", "Retained": True}}, indent=1).encode(),
        breaking.text,
        confounds_with_json,
    ),
    "bids sidecar": (
        "sub-01/func/sub-01_task-rest_bold.json",
        json.dumps({"RepetitionTime": 2.0, "SliceTiming": [0, 0.5]}, indent=1).encode(),
        breaking.text,
        bids_sidecar,
    ),
    "bare motion": (
        "x.par",
        rows(RNG.normal(size=(20, 6)) * 0.01, " "),
        breaking.text,
        function("bids.motion", "read_motion", order="fsl"),
    ),
    "motion table": (
        "x.tsv",
        rows(RNG.normal(size=(20, 6)) * 0.01, header=MOTION),
        breaking.text,
        function("bids.motion", "read_motion"),
    ),
    "outliers": (
        "x_outliers.tsv",
        b"framewise_displacement\n" + b"0\n1\n" * 10,
        breaking.text,
        function("bids.xcpd", "read_outliers"),
    ),
    "displacement": (
        "x_motion.tsv",
        rows(RNG.random((20, 7)), header=[*MOTION, "framewise_displacement"]),
        breaking.text,
        function("bids.xcpd", "read_displacement"),
    ),
    "region table": (
        "sub-01_task-rest_timeseries.tsv",
        rows(SERIES, header=["r1", "r2", "r3", "r4"]),
        breaking.text,
        function("regions.roi", "read_roi_table", tr=2.0),
    ),
    "region 1D": (
        "x.1D",
        rows(SERIES),
        breaking.text,
        function("regions.roi", "read_roi_table", tr=2.0),
    ),
    "region csv": (
        "x.csv",
        rows(SERIES, ",", ["", "r1", "r2", "r3"]),
        breaking.text,
        function("regions.roi", "read_roi_table", tr=2.0),
    ),
    "region npy": (
        "x.npy",
        save(np.save, SERIES),
        breaking.raw,
        function("regions.roi", "read_roi_table", tr=2.0),
    ),
    "spike table": (
        "x.txt",
        rows([[t, k + 1] for k, train in enumerate(TRAINS) for t in train], " ", ["time", "unit"]),
        breaking.text,
        function("spikes.reader", "read_spikes"),
    ),
    "tracking": (
        "x.pos",
        b"clockrate: 10000\n<End settings>\n" + bytes(range(120)),
        breaking.raw,
        function("spikes.position", "read_position"),
    ),
    "traces text": (
        "x.csv",
        rows(SERIES, ",", ["AVA", "AVB", "RIB", "SMD"]),
        breaking.text,
        function("recordings.reader", "read_recording", fs=5.0),
    ),
    "assemblies": (
        "x.txt",
        b"1,2,3\n4,5\n2,6\n",
        breaking.text,
        function("recordings.reader", "read_assemblies"),
    ),
    "bold": ("x.nii.gz", image(), breaking.nifti, read_nifti_series),
    "bold not packed": ("x.nii", image(packed=False), breaking.nifti, read_nifti_series),
    "header": ("x.nii.gz", image(), breaking.nifti, read_header),
    "mask": ("x.nii.gz", image((4, 4, 3)), breaking.nifti, function("images.nifti", "load_mask")),
    "counts npy": (
        "x.npy",
        save(np.save, COUNTS["seq_0"]),
        breaking.raw,
        function("spikes.reader", "read_spikes"),
    ),
    "counts bytes": (
        "x.npz",
        save(np.savez, **COUNTS),
        breaking.raw,
        function("spikes.reader", "read_spikes"),
    ),
    "traces bytes": (
        "x.npz",
        save(np.savez_compressed, **TRACES),
        breaking.raw,
        function("recordings.reader", "read_recording"),
    ),
    "responses bytes": (
        "x.npz",
        save(np.savez_compressed, **STIMULI),
        breaking.raw,
        function("responses.reader", "read_stimulus_response"),
    ),
}
# name of the file, its sound arrays, the reader
ARRAYS = {
    "region npz": (
        "x.npz",
        {"series": SERIES, "regions": np.array(["a", "b", "c", "d"]), "tr": 2.0},
        function("regions.roi", "read_roi_table"),
    ),
    "counts npz": ("x.npz", COUNTS, function("spikes.reader", "read_spikes")),
    "traces npz": ("x.npz", TRACES, function("recordings.reader", "read_recording")),
    "kernels npz": ("x.npz", KERNELS, function("recordings.reader", "read_kernels")),
    "model file": (
        "x.npz",
        {"meta": np.array('{"format": "x", "version": 1}'), "weights": SERIES},
        function("formats.model_files", "read_model_file", formats=("x",), version=1),
    ),
    "responses npz": ("x.npz", STIMULI, function("responses.reader", "read_stimulus_response")),
    "spikes mat": ("x.mat", SPIKES_MAT, function("spikes.reader", "read_spikes")),
    "traces mat": ("x.mat", TRACES_MAT, function("recordings.reader", "read_recording")),
}


def nwb(path):
    """An NWB file with units, traces, trials, a template and responses."""
    pynwb = pytest.importorskip("pynwb")
    from pynwb.ophys import ImageSegmentation, RoiResponseSeries

    file = pynwb.NWBFile("x", "x", datetime(2020, 1, 1, tzinfo=UTC))
    for train in TRAINS:
        file.add_unit(spike_times=train, obs_intervals=[[0.0, 20.0]])
    file.add_stimulus_template(
        pynwb.image.ImageSeries(
            name="scenes", data=STIMULI["stimuli"][:, 0], unit="n/a", rate=1.0, format="raw"
        )
    )
    file.add_trial_column("stimulus_id", "row of the template")
    for k in range(12):
        file.add_trial(start_time=float(k), stop_time=k + 0.5, stimulus_id=k)
    device = file.create_device("microscope")
    channel = pynwb.ophys.OpticalChannel(name="c", description="x", emission_lambda=500.0)
    plane = file.create_imaging_plane(
        name="p",
        optical_channel=channel,
        description="x",
        device=device,
        excitation_lambda=600.0,
        indicator="x",
        location="brain",
    )
    segmentation = ImageSegmentation()
    module = file.create_processing_module("ophys", "x")
    module.add(segmentation)
    table = segmentation.create_plane_segmentation(
        name="ps", description="rois", imaging_plane=plane
    )
    for _ in range(4):
        table.add_roi(pixel_mask=[(0, 0, 1.0)])
    region = table.create_roi_table_region(description="all", region=list(range(4)))
    module.add(RoiResponseSeries(name="traces", data=SERIES, unit="n/a", rois=region, rate=5.0))
    module.add(pynwb.TimeSeries(name="responses", data=STIMULI["responses"], unit="a", rate=1.0))
    with pynwb.NWBHDF5IO(str(path), "w") as stream:
        stream.write(file)


def regions_h5(path):
    from neuro.io.regions.region_series import RegionSeries
    from neuro.io.regions.series import write_timeseries_h5

    one = RegionSeries(run_key="sub-01", series=SERIES, regions=list("abcd"), tr=2.0)
    two = RegionSeries(run_key="sub-02", series=SERIES[:30], regions=list("abcd"), tr=2.0)
    write_timeseries_h5(path, [one, two])


def connectomes_h5(path):
    from neuro.io.regions.connectomes import write_connectomes

    edges = RNG.normal(size=(2, 6))
    write_connectomes(path, edges, ["01", "02"], ["sub-01", "sub-02"], list("abcd"), "fisher_z")


def maps_h5(path):
    from neuro.io.images.graph_maps import GraphMaps, write_graph_maps

    write_graph_maps(path, GraphMaps({"degree": np.ones((1, 3))}, ["sub-01"], ["01"], list("abc")))


def responses_h5(path):
    from neuro.io.responses.writer import write_stimulus_response

    parts = dict(STIMULI)
    write_stimulus_response(path, parts.pop("stimuli"), parts.pop("responses"), **parts)


def table73(path):
    import h5py

    with h5py.File(path, "w", userblock_size=512) as file:
        trains = [file.create_dataset(f"#refs#/{k}", data=t[None]) for k, t in enumerate(TRAINS)]
        refs = np.array([item.ref for item in trains], dtype=h5py.ref_dtype)[:, None]
        file.create_dataset("unit_t", data=refs)
        file.create_dataset("traces", data=SERIES.T)
        file.create_dataset("fs", data=[[5.0]])


# what writes the sound file, its name, the reader
CONTAINERS = {
    "spikes nwb": (nwb, "x.nwb", function("spikes.reader", "read_spikes")),
    "traces nwb": (nwb, "x.nwb", function("recordings.reader", "read_recording")),
    "responses nwb": (nwb, "x.nwb", function("responses.reader", "read_stimulus_response")),
    "responses h5": (responses_h5, "x.h5", function("responses.reader", "read_stimulus_response")),
    "spikes mat 7.3": (table73, "x.mat", function("spikes.reader", "read_spikes")),
    "traces mat 7.3": (table73, "x.mat", function("recordings.reader", "read_recording")),
    "region series h5": (regions_h5, "x.h5", function("regions.series", "read_timeseries_h5")),
    "connectomes h5": (connectomes_h5, "x.h5", function("regions.connectomes", "read_connectomes")),
    "graph maps h5": (maps_h5, "x.h5", function("images.graph_maps", "read_graph_maps")),
}
