#!/bin/sh
# Names the servers that `make test-real` needs and that are missing, with the command that installs them.
# Kafka (Tansu) and OpenSearch (osmem) come with requirements-test.txt.
# Debian keeps the programs of PostgreSQL out of the path.
for place in /usr/lib/postgresql/*/bin; do PATH="$PATH:$place"; done
missing=
for program in nats-server redis-server prometheus prometheus-alertmanager; do
  command -v "$program" >/dev/null || missing="$missing $program"
done
command -v postgres >/dev/null || missing="$missing postgresql"
[ -z "$missing" ] && exit 0
echo "make test-real needs:$missing"
echo "  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d   # daemons are not started"
echo "  apt-get install -y --no-install-recommends$missing"
exit 1
