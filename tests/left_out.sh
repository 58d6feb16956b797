#!/bin/sh
# Names the tests that `make test` left out because a system package is missing, and the command that installs it.
command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
  echo "left out: the report in a browser (tests/python/test_report_page.py): apt-get install -y chromium"
exit 0
