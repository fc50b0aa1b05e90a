"""`python -m neuro.config` rewrites the generated files of the checkout it is called in."""

from pathlib import Path

from neuro.config.generate import documents

for path, text in documents().items():
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, "utf-8")
