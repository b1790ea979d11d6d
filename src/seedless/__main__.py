"""Run the command line with `python -m seedless`."""

from __future__ import annotations

import sys

from seedless.cli.main import main

sys.exit(main())
