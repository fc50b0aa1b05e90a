"""The configuration: one model per section, from which schema, example and docs are made."""

from neuro.config.adhd import primary_maps
from neuro.config.generate import example, option_table, schema
from neuro.config.resolve import origins, resolve
from neuro.config.sections import SECTIONS, STAGES, methods

__all__ = [
    "SECTIONS",
    "STAGES",
    "example",
    "methods",
    "option_table",
    "origins",
    "primary_maps",
    "resolve",
    "schema",
]
