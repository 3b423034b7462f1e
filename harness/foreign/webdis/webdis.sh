#!/usr/bin/env bash
# webdis.sh PORT REDIS_URL: webdis as its package configures it, but on this port and at this Redis.
set -euo pipefail

tree=$(dirname "$0")/../../../target/foreign/webdis
[[ $2 =~ ^redis://(:([^@]*)@)?([^:/]+):([0-9]+) ]] || {
    echo "$2: it should be as in redis://:password@host:6379" >&2
    exit 1
}
auth=null
[ -z "${BASH_REMATCH[2]}" ] || auth="\"${BASH_REMATCH[2]}\""
export LD_LIBRARY_PATH
LD_LIBRARY_PATH=$(echo "$tree"/usr/lib/*-linux-gnu)
exec "$tree/usr/bin/webdis" /dev/stdin <<END
{
  "redis_host": "${BASH_REMATCH[3]}", "redis_port": ${BASH_REMATCH[4]}, "redis_auth": $auth, "database": 0,
  "http_host": "127.0.0.1", "http_port": $1, "threads": 2, "daemonize": false, "websockets": true,
  "verbosity": 0, "logfile": "/dev/stderr"
}
END
