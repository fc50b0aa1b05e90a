"""Most discriminative stimuli: functional types of units and the stimuli that tell them apart.

MDS never means multidimensional scaling here. Nothing in this package loads torch on import.

What flows where: `twin` predicts units from stimuli (trained here, linear, or of others); `stimuli`
says where most discriminative stimuli are sought and climbs the objective; `clusters` searches for
types from random partitions, asks whether restarts agree, and types new cells.
"""

from neuro.base.lazy import attach

_HOMES = {
    "CheckpointTwin": "twin.foreign",
    "DiscreteSpace": "stimuli.discrete",
    "EncoderTwin": "twin.linear",
    "EnergyTwin": "twin.energy",
    "InvariantTwin": "stimuli.invariant",
    "MeanTwin": "twin.image",
    "ModuleTwin": "twin.module",
    "MostDiscriminativeStimuli": "clusters.estimator",
    "TemporalTwin": "twin.linear",
    "Twin": "twin.image",
    "assign": "clusters.on_the_fly",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = attach(__name__, _HOMES)
