"""A GPU of its own for each job of one machine."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

VARIABLE = "CUDA_VISIBLE_DEVICES"
_held: list = []
"""Open lock files; a lock ends with its process, however that ends."""


def visible() -> list[str]:
    """Names of the devices that this process may use; CUDA is not touched.

    Returns
    -------
    list of str
        What :data:`VARIABLE` lists, or else the numbers of all devices.
    """
    stated = os.environ.get(VARIABLE)
    if stated is not None:
        return [name.strip() for name in stated.split(",") if name.strip()]
    driver = Path("/proc/driver/nvidia/gpus")
    if driver.is_dir():
        return [str(k) for k in range(len(list(driver.iterdir())))]
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return []
    lines = [line for line in listing.stdout.splitlines() if line.startswith("GPU ")]
    return [str(k) for k in range(len(lines))]


def claim(folder=None) -> str | None:
    """Take a device that no other job of this user holds, and hide the others.

    Must be called before CUDA is used. Where there is one device or none, or a cluster gave this
    job one, nothing is done.

    Parameters
    ----------
    folder : path-like, optional
        Of the lock files; by default one of this user's for the whole machine.

    Returns
    -------
    str or None
        The device; None where there was no choice. Where all are held, the jobs share them.
    """
    import fcntl

    names = visible()
    if len(names) < 2:
        return None
    lock_folder = Path(folder or Path(tempfile.gettempdir()) / f"neuro-devices-{os.getuid()}")
    mine = names[os.getpid() % len(names)]
    for name in names:
        file = None
        try:
            lock_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = open(lock_folder / f"{name.replace('/', '-')}.lock", "w")  # noqa: SIM115 - held open
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if file:
                file.close()
            continue
        _held.append(file)
        mine = name
        break
    os.environ[VARIABLE] = mine
    return mine
