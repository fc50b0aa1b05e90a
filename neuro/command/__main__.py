"""`python -m neuro.command`, the same as the command `neuro`."""

import sys

from neuro.command.cli import main

if __name__ == "__main__":
    sys.exit(main())
