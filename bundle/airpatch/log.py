"""The logger `airpatch`: INFO has one line for each decision, WARNING is for what should not happen but is harmless.

Silent unless the program configures logging; the command line does with `-v` (INFO) and `-vv` (DEBUG). Messages are
formatted only when somebody listens. Pure packages do not log.
"""

from __future__ import annotations

import logging

logging.getLogger("airpatch").addHandler(logging.NullHandler())


def logger(module: str) -> logging.Logger:
    """Return the logger of a module, by its `__name__`."""
    return logging.getLogger(module)
