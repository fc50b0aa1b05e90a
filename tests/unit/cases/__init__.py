"""The stored case of every rule: settings, what it reads, what it must write."""

from cases import adhd, braindive, demovae, fmri, hmmglm, mds, ntf, report
from cases.case import Case

_STAGES = (fmri, adhd, demovae, ntf, hmmglm, mds, braindive, report)

CASES: dict[str, Case] = {rule: case for stage in _STAGES for rule, case in stage.CASES.items()}
