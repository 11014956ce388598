#!/bin/sh
# The router for interactive traffic: sends requests with the same beginning to the same server, spreads a hot prompt.
#   pip install smg==1.13.0
#   deploy/smg/start.sh http://10.0.0.11:8000 http://10.0.0.12:8000
# python3 must be the one that smg was installed for.
# SMG_HOST, SMG_PORT, SMG_METRICS_PORT: where it listens. SMG_API_KEY: one key shared by router, servers and clients.
set -eu
if [ $# -eq 0 ]; then
  echo "usage: $0 URL… (the servers' addresses)" >&2
  exit 2
fi
# smg takes the key as an argument alone: it is put in inside the process, where ps does not show it.
smg='import os, sys
from smg.cli import main
key = os.environ.pop("SMG_API_KEY", "")
main(["launch", *sys.argv[1:], *(["--api-key", key] if key else [])])'
# Probes every 2 s and one failure: a server that drains is out before it stops taking work (--drain-grace 5).
# Spill at 2 above the pool's mean (of two servers: 4 more than the other). A server has 8 places: at 4 one of two
# fills up while the other has nothing to do, and a prompt that all share stays with it.
exec python3 -c "$smg" --host "${SMG_HOST:-127.0.0.1}" --port "${SMG_PORT:-30000}" \
  --prometheus-port "${SMG_METRICS_PORT:-29000}" --worker-urls "$@" \
  --policy cache_aware --balance-abs-threshold 2 --balance-rel-threshold 1.2 \
  --health-check-endpoint /readyz --health-check-interval-secs 2 \
  --health-failure-threshold 1 --health-success-threshold 1 \
  --cb-timeout-duration-secs 5 --load-monitor-interval 1 \
  --worker-overload-waiting-requests 64 --worker-overload-token-usage 0.98 \
  --shutdown-grace-period-secs 30
