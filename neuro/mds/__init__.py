"""Most discriminative stimuli: functional types of units and the stimuli that tell them apart.

MDS never means multidimensional scaling here. Nothing in this package loads torch on import.
"""
