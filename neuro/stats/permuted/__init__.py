"""Linear models of many measures at once, judged by permuted residuals; statistics on networks."""

from neuro.base.lazy import attach

_HOMES = {
    "Design": "design",
    "Components": "networks",
    "PermutedModel": "model",
    "components": "networks",
    "enhance": "networks",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = attach(__name__, _HOMES)
