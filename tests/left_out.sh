#!/bin/sh
# Names the tests that `make test` left out because a system package or data is missing, and the command that adds it.
command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
  echo "left out: pages in a browser (tests/python/test_report_page.py, test_api_docs.py, test_dashboard.py, test_page_*.py): apt-get install -y chromium"
command -v strace >/dev/null ||
  echo "left out: faults of system calls (tests/python/test_storage.py): apt-get install -y strace"
command -v faketime >/dev/null ||
  echo "left out: a wrong clock of the host (tests/python/test_host_clock.py): apt-get install -y faketime"
command -v promtool >/dev/null ||
  echo "left out: metrics, rules and dashboards in Prometheus (tests/python/test_exposition.py, test_deploy.py): apt-get install -y prometheus"
command -v systemd-analyze >/dev/null ||
  echo "left out: the unit of systemd (tests/python/test_deploy.py): apt-get install -y systemd"
sh "$(dirname "$0")/real.sh" >/dev/null ||
  echo "left out: sources over real servers: sh tests/real.sh names them"
echo "left out: Spark, Dask and Ray in local mode: make test-engines"
[ -n "$DATA" ] || echo "left out: the tests on recorded data: make test DATA=DIR"
[ -n "$FIELD" ] || echo "left out: the field cases: make test-field FIELD=DIR"
exit 0
