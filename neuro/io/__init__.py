"""Readers and writers; every reader validates and reports problems as one line each."""

from neuro.base.lazy import attach
from neuro.io.problems import InputProblem

_HOMES = {
    "scan": "bids.scanner",
    "read_participants": "formats.tables",
    "load_bold": "images.nifti",
    "load_mask": "images.nifti",
    "read_confounds": "bids.confounds",
    "read_motion": "bids.motion",
    "read_series_tsv": "regions.series",
    "read_roi_table": "regions.roi",
    "read_connectomes": "regions.connectomes",
    "write_connectomes": "regions.connectomes",
    "read_spikes": "spikes.reader",
    "read_recording": "recordings.reader",
    "read_stimulus_response": "responses.reader",
    "spikes_from_pynapple": "pynapple",
    "spikes_to_pynapple": "pynapple",
    "recording_from_pynapple": "pynapple",
    "frame_to_pynapple": "pynapple",
    "states_to_pynapple": "pynapple",
    "states_to_nwb": "nwb_states",
    "to_networkx": "graphs",
    "write_graphml": "graphs",
}

__all__ = ["InputProblem", *sorted(_HOMES)]

__getattr__, __dir__ = attach(__name__, _HOMES)
