"""What every rung of the ladder is judged by: the likelihood of each held-out sequence."""

from __future__ import annotations

import numpy as np

from neuro.hmmglm.em.chain import smooth


def sequence_scores(model, sequences, masks, common, covariates=None) -> np.ndarray:
    """Log-likelihood of each sequence over its common bins, shape (n,)."""
    log_b, design = model._log_b(sequences, masks, covariates)
    log_b = np.where(np.concatenate(common)[:, None], log_b, 0.0)
    return smooth(log_b, design.starts, model._matrices(design))[2]
