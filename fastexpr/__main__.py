"""`python -m fastexpr` is the command `fastexpr`."""

from __future__ import annotations

import sys

from fastexpr.command_line import main

sys.exit(main())
