"""`python -m mad.cli`."""

from __future__ import annotations

import sys

from mad.cli import main

if __name__ == "__main__":
    sys.exit(main())
