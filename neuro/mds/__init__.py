"""Most discriminative stimuli: functional types of units and the stimuli that tell them apart.

MDS never means multidimensional scaling here. Nothing in this package loads torch on import.
"""

from neuro.lazy import attach

__getattr__, __dir__ = attach(
    __name__,
    {
        "CheckpointTwin": "twin_files",
        "DiscreteSpace": "discrete",
        "EncoderTwin": "twin_linear",
        "MeanTwin": "twin",
        "MostDiscriminativeStimuli": "estimator",
        "TemporalTwin": "twin_linear",
        "Twin": "twin",
        "assign": "on_the_fly",
    },
)
