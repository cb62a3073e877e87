"""Where the executable begins."""

import sys

from airpatch_cli.main import main

sys.exit(main())
