"""Where the executable begins."""

import sys

from airpatch_cli.entry_point import main

sys.exit(main())
