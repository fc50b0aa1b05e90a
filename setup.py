"""What `pyproject.toml` cannot say: the wheel carries the workflow inside the package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
CARRIED = ("Snakefile", "config.yaml", "constraints.txt", "workflow", "profiles", "configs", "envs")


class CarryWorkflow(build_py):
    """Copies what lies at the top of the repository beside `neuro/`."""

    def run(self):
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "neuro" / "workflow_files"
        shutil.rmtree(target, ignore_errors=True)
        for name in CARRIED:
            source = HERE / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", ".*")
                shutil.copytree(source, target / name, ignore=ignored)
            else:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target / name)


setup(cmdclass={"build_py": CarryWorkflow})
