"""Faults of one rule's job, chosen by the variable NEURO_FAULT: read by every Python at its start.

`<rule>:kill:<seconds>` kills the job with SIGKILL after that time, `<rule>:memory:<MB>` limits its
address space, `<rule>:lose:<path>` removes a file when it starts. Other processes are left alone.
`*:deny:<path>` lets no Python open a file, as its permissions would for anybody but root.
`*:trace:<path>` lets every job write there which files it opens to read, with the job's rule.
"""

import os
import sys


def _kill_after(seconds):
    import signal
    import threading

    def kill():
        os.kill(os.getpid(), signal.SIGKILL)

    if seconds <= 0:
        kill()
    timer = threading.Timer(seconds, kill)
    timer.daemon = True
    timer.start()


def _starve(megabytes):
    import resource

    limit = int(megabytes * 2**20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _deny(path):
    def refuse(event, arguments):
        if event == "open" and str(arguments[0]).endswith(path) and os.path.exists(path):
            raise PermissionError(13, "Permission denied", path)

    sys.addaudithook(refuse)


def _trace(path):
    scripts = [item for item in sys.orig_argv[1:] if "/.snakemake/scripts/" in item]
    if not scripts:
        return
    rule = scripts[0].split(".")[-2]
    stream = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(event, arguments):
        if event != "open" or not isinstance(arguments[0], (str, bytes)):
            return
        if not set(str(arguments[1])) & set("wax+"):
            name = os.path.relpath(os.fsdecode(arguments[0]))
            os.write(stream, f"{rule}\t{name}\n".encode())

    sys.addaudithook(note)


rule, _, rest = os.environ.get("NEURO_FAULT", "").partition(":")
kind, _, value = rest.partition(":")
# a job is `python .snakemake/scripts/<random>.<rule>.py`
if rule == "*":
    {"deny": _deny, "trace": _trace}[kind](value)
elif rule and any(item.endswith(f".{rule}.py") for item in sys.orig_argv[1:]):
    {
        "kill": lambda: _kill_after(float(value)),
        "memory": lambda: _starve(float(value)),
        "lose": lambda: os.remove(value),
    }[kind]()
