# How the main process of a cluster run ends.
import functools


def leave_promptly(scheduler, patience=5):
    """Let the main process end seconds after its last job or Ctrl-C.

    The thread that asks for the state of cluster jobs sleeps up to three minutes between two
    looks, and Snakemake would wait for it although nothing is left to ask.
    """
    thread = getattr(getattr(scheduler, "_executor", None), "wait_thread", None)
    if thread is not None:
        thread.join = functools.partial(thread.join, patience)
