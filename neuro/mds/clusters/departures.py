"""What differs from the publication and its released code, preset by preset.

`docs/mds.md` says why; a test keeps this list, the presets and the page in step.
"""

from __future__ import annotations

PUBLISHED = {
    "step": "absolute",
    "step_size": 100.0,
    "n_sub": None,
    "eta": 0.0,
    "min_size": 1,
    "n_restarts": 1,
    "subsample": 1.0,
    "keep_best": False,
    "grouping": "objective",
    "any_gain": True,
    "polish_steps": 100,
    "polish_iterations": 0,
    "max_passes": None,
    "moved": 0.0,
    "quiet": 1,
    "n_steps": 50,
    "max_iter": 10,
    "temperature": 1.6,
    "merge": False,
}
"""Published values by the names of the arguments and of :class:`~.search.Rules`; the preset `paper`
has all of them. `n_sub` None is the number of first clusters."""

ROBUST = {
    "grouping": "who belongs together",
    "step": "step",
    "step_size": "step",
    "keep_best": "end of an ascent",
    "any_gain": "accept a split",
    "eta": "accept a split",
    "min_size": "accept a split",
    "n_sub": "groups per split",
    "n_restarts": "restarts",
    "subsample": "restarts",
    "polish_steps": "polish",
    "polish_iterations": "polish",
    "max_passes": "passes of splits",
    "moved": "end of EM",
    "quiet": "end of EM",
}
"""What the preset `robust` sets otherwise, with the row of the page's table that says why."""

PAPER = {
    "scale": "responses are divided by each unit's standard deviation over the training stimuli",
    "norm": "norm and range of the stimuli are taken from the training stimuli",
    "batch": "all stimuli climb in one batch",
    "ties": "ties go to the lowest number",
    "double": "the objective adds log K",
}
"""What the preset `paper` does where the publication leaves the choice to the user's model or says
it otherwise: in the words of the page. None of the last three changes a result."""
