"""Where the executable begins."""

import os
import sys

# PyInstaller names the libraries inside for itself alone; ssh and other programs of the host need their own.
before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
os.environ.pop("LD_LIBRARY_PATH", None)
if before is not None:
    os.environ["LD_LIBRARY_PATH"] = before

from airpatch_cli.entry_point import main  # noqa: E402 # the environment comes first

sys.exit(main())
