"""How a long training tells that it is alive."""

from __future__ import annotations

import sys


class Progress:
    """A bar in a terminal, a line per 100 epochs elsewhere, nothing unless asked for.

    Parameters
    ----------
    n_epochs : int
    show : bool
    """

    def __init__(self, n_epochs: int, show: bool):
        self.n_epochs = n_epochs
        self.show = show
        self.bar = None

    def __enter__(self):
        if self.show and sys.stderr.isatty():
            from tqdm import tqdm

            self.bar = tqdm(total=self.n_epochs, unit="epoch", desc="demovae")
        return self if self.show else None

    def __call__(self, record: dict):
        """Take note of one finished epoch."""
        if self.bar is not None:
            self.bar.update(1 if record["epoch"] else 0)
        elif record["epoch"] and record["epoch"] % 100 == 0:
            print(
                f"epoch {record['epoch']} of {self.n_epochs}: loss {record['total']:.4g}, "
                f"reconstruction {record['rec']:.4g}",
                file=sys.stderr,
            )

    def __exit__(self, *problem):
        if self.bar is not None:
            self.bar.close()
