"""What is written when a run starts: the resolved settings and the installed packages."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

from neuro.config import origins


def write(config, given):
    """Write the resolved settings with their origin, and the installed packages."""
    import yaml

    folder = Path("results/provenance")
    folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(json.loads(json.dumps(config)), sort_keys=False)
    where = "".join(f"# {key}: {value}\n" for key, value in sorted(origins(given).items()))
    (folder / "config.yaml").write_text(f"{text}\n# Origin of each value\n{where}", "utf-8")
    pins = sorted({f"{item.name}=={item.version}" for item in metadata.distributions()})
    (folder / "packages.txt").write_text("\n".join(pins) + "\n", "utf-8")
