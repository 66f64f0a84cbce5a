#!/usr/bin/env bash
# Installs the system programs that tests talk to and that are missing: with apt, as root.
# To add some, list COMMAND:PACKAGE pairs, such as needed="redis-server:redis-server memcached:memcached".
set -euo pipefail
needed=""
missing=()
for pair in $needed; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "${missing[@]}"
else
    echo "The tests need programs that are not installed: ${missing[*]}. Install them and run this again." >&2
    exit 1
fi
