"""`python -m airpatch`: the command line. The only module of the library that imports upward."""

import sys

from airpatch_cli.entry_point import main

if __name__ == "__main__":
    sys.exit(main())
