"""Readers and writers; every reader validates and reports problems as one line each."""

from neuro.io.problems import InputProblem
from neuro.lazy import attach

_HOMES = {
    "scan": "bids",
    "read_participants": "tables",
    "load_bold": "nifti",
    "load_mask": "nifti",
    "read_confounds": "confounds",
    "read_motion": "motion",
    "read_series_tsv": "series",
    "read_roi_table": "roi",
    "read_connectomes": "connectomes",
    "write_connectomes": "connectomes",
    "read_spikes": "spikes",
    "read_recording": "recordings",
    "read_stimulus_response": "responses",
}

__all__ = ["InputProblem", *sorted(_HOMES)]

__getattr__, __dir__ = attach(__name__, _HOMES)
