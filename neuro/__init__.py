"""neuro: seven published neuroscience methods, chained by Snakemake.

Importing the package is light; every stage loads what it needs on first use.
"""

__version__ = "0.1.0"
