#!/usr/bin/env bash
# What:    `import onnxruntime` alone, without a session, writes a persistent device id and an
#          SQLite file of events below the cache folder of the user, on Linux.
# Version: onnxruntime 1.32.0 (1.28.0 beside it writes nothing)
# Guess:   An import writes nothing. Telemetry is a matter of Windows builds, and
#          disable_telemetry_events() turns it off.
# Why:     A program that promises to stay offline, or that runs in a read-only or shared home,
#          breaks its promise by an import. The Python call comes too late: the files exist before
#          it can run. Set ORT_DISABLE_TELEMETRY=1 before the import. A variable CI, as build
#          services set it, hides the effect in tests.
# Output seen:
#   guess:  an import writes no file; disable_telemetry_events() is enough
#   seen:   onnxruntime 1.28.0, import: nothing
#   seen:   onnxruntime 1.32.0, import: deviceid, onnxruntime.db
#   seen:   onnxruntime 1.32.0, import and disable_telemetry_events(): deviceid, onnxruntime.db
#   seen:   onnxruntime 1.32.0, ORT_DISABLE_TELEMETRY=1: nothing
#   seen:   onnxruntime 1.32.0, CI=1: nothing
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for version in 1.28.0 1.32.0; do
  python3 -m venv "venv-$version"
  "venv-$version/bin/pip" install --quiet --disable-pip-version-check \
    "onnxruntime==$version" numpy==2.4.6 protobuf==7.36.2
done

written() { # version, code, variable... : names of the files that appear below an empty cache
  local version=$1 code=$2
  shift 2
  rm -rf home && mkdir home
  env -i PATH="$PATH" HOME="$PWD/home" XDG_CACHE_HOME="$PWD/home/cache" TMPDIR="$PWD/home" "$@" \
    "venv-$version/bin/python" -I -c "$code"
  find home -type f \( -name deviceid -o -name '*.db' \) -printf '%f\n' | sort | paste -sd, | sed 's/,/, /g'
}
check() { # label, expected, seen
  echo "seen:   $1: ${3:-nothing}"
  [ "$2" = "$3" ] || { echo "changed: expected ${2:-nothing}"; exit 1; }
}

echo "guess:  an import writes no file; disable_telemetry_events() is enough"
plain="import onnxruntime"
check "onnxruntime 1.28.0, import" "" "$(written 1.28.0 "$plain")"
check "onnxruntime 1.32.0, import" "deviceid, onnxruntime.db" "$(written 1.32.0 "$plain")"
check "onnxruntime 1.32.0, import and disable_telemetry_events()" "deviceid, onnxruntime.db" \
  "$(written 1.32.0 "$plain; onnxruntime.disable_telemetry_events()")"
check "onnxruntime 1.32.0, ORT_DISABLE_TELEMETRY=1" "" \
  "$(written 1.32.0 "$plain" ORT_DISABLE_TELEMETRY=1)"
check "onnxruntime 1.32.0, CI=1" "" "$(written 1.32.0 "$plain" CI=1)"
