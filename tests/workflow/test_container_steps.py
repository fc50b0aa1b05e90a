"""The steps of the Dockerfile, executed in a root file system of Debian's packages alone.

Needs root, `mmdebstrap` and Debian's archive; no container engine. What is proven: the recipe
installs the wheel on plain Debian, and an ordinary user without a network runs the demo there.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.getuid() != 0, reason="chroot needs root"),
    pytest.mark.skipif(not shutil.which("mmdebstrap"), reason="Debian package mmdebstrap"),
]


def steps():
    """Instructions of the Dockerfile with what follows them."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    return [tuple(line.split(" ", 1)) for line in lines if line and line[0] != "#"]


def own_indexes():
    """Folders and files of this machine that its pip installs from."""
    said = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True
    ).stdout
    found = {Path(path) for path in re.findall(r"(?:file://)?(/[^\s']+)", said)}
    tops = {path if path.is_file() else Path("/", *path.parts[1:3]) for path in found}
    settings = {Path("/etc/pip.conf"), Path("/etc/xdg/pip")}
    return sorted(path for path in tops | settings if path.exists())


class Image:
    """A root file system, entered as a build does."""

    def __init__(self, folder):
        self.folder, self.environment, self.user, self.mounts = folder, {}, "root", []

    def mount(self, source):
        target = self.folder / str(source).lstrip("/")
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        subprocess.run(["mount", "--bind", str(source), str(target)], check=True)
        self.mounts.append(target)

    def run(self, command, network=True):
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        environment = {"PATH": path, "HOME": "/tmp", "LANG": "C.UTF-8", **self.environment}
        environment = {k: v.replace("$PATH", path) for k, v in environment.items()}
        pip = {k: v for k, v in os.environ.items() if network and k.startswith("PIP_")}
        enter = [] if network else ["unshare", "--net"]
        enter += ["chroot", f"--userspec={self.user}", str(self.folder)]
        return subprocess.run(
            [*enter, "/bin/sh", "-c", command],
            env=environment | pip,
            capture_output=True,
            text=True,
            cwd="/",
        )


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    folder = tmp_path_factory.mktemp("image") / "root"
    base = dict(steps())["FROM"]
    suite = re.fullmatch(r"debian:(\w+)-slim", base)[1]
    made = subprocess.run(
        ["mmdebstrap", "--variant=minbase", "--include=ca-certificates", suite, str(folder)],
        capture_output=True,
        text=True,
    )
    if made.returncode and "download" in made.stderr + made.stdout:
        pytest.skip(f"Debian's archive: {made.stderr.strip().splitlines()[-1]}")
    assert made.returncode == 0, made.stderr[-2000:]
    built = Image(folder)
    for source in (Path("/proc"), Path("/dev"), *own_indexes()):
        built.mount(source)
    shutil.copy("/etc/resolv.conf", folder / "etc/resolv.conf")
    yield built
    for target in reversed(built.mounts):
        subprocess.run(["umount", "-l", str(target)], check=False)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def built(image, tmp_path_factory):
    """The image after the Dockerfile's steps, and its entry point."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*wheel, "-w", str(folder / "dist"), str(ROOT)], check=True)
    entry = ""
    for word, text in steps():
        if word == "RUN":
            done = image.run(text)
            assert done.returncode == 0, f"{text}\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
        elif word == "COPY":
            *sources, target = text.split()
            inside = image.folder / target.lstrip("/")
            inside.mkdir(parents=True, exist_ok=True)
            for source in sources:
                top = folder if source.startswith("dist/") else ROOT
                for path in top.glob(source):
                    shutil.copy(path, inside)
        elif word == "ENV":
            image.environment |= dict(pair.split("=", 1) for pair in text.split(" "))
        elif word == "USER":
            image.user = text
        elif word == "ENTRYPOINT":
            entry = " ".join(re.findall(r'"(.+?)"', text))
    assert image.user == "neuro"
    assert image.run("touch /opt/neuro/x").returncode != 0
    return image, entry


def offline_demo(built, name, options=""):
    """Folder of a demo that an ordinary user ran without a network."""
    image, entry = built
    folder = image.folder / name
    folder.mkdir()
    shutil.chown(folder, 1000, 1000)
    done = image.run(f"{entry} --demo /{name} group --cores 2 {options}", network=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (folder / "results/report/index.html").is_file()
    return folder / "results"


def test_some_stages_of_the_demo_run_offline_and_all_packages_import(built):
    results = offline_demo(built, "some", "--stages fmri ntf")
    assert (results / "fmri/report.json").is_file() and (results / "ntf/report.json").is_file()
    packages = "nilearn sklearn tensorly networkx torch diffusers pynwb numba"
    done = built[0].run(f"python -c 'import {packages.replace(' ', ', ')}'", network=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_demo_runs_as_an_ordinary_user_without_a_network(built):
    results = offline_demo(built, "out")
    assert (results / "braindive/report.json").is_file()
