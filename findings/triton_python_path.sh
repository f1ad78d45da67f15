#!/usr/bin/env bash
# Triton's Python backend does not look at PYTHONPATH.
#
# A model of the Python backend runs in a stub process that holds an interpreter. One would guess that a
# package on PYTHONPATH of the server can be imported there, as in any Python program. It cannot: the
# stub takes its packages from the environment of the `python3` that is first in PATH, and from the
# current folder. A server that is started from a virtual environment by its full path, without
# activating it, imports the packages of the system instead, in other versions perhaps.
#
# What to do instead: put the `bin` folder of the environment first in PATH of the server.
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet nvidia-pytriton==0.7.0
packages=$("$scratch/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
version=$("$scratch/venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
base=$("$scratch/venv/bin/python" -c 'import sys; print(sys.base_prefix)')
cp -r "$packages/pytriton/tritonserver" "$scratch/server"
cp "$scratch/server/python_backend_stubs/$version/triton_python_backend_stub" "$scratch/server/backends/python"

mkdir -p "$scratch/models/probe/1" "$scratch/extra" "$scratch/empty"
echo 'name = "found"' >"$scratch/extra/on_pythonpath.py"
cat >"$scratch/models/probe/config.pbtxt" <<'END'
backend: "python"
input [ { name: "x" data_type: TYPE_FP32 dims: [1] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [1] } ]
instance_group [ { kind: KIND_CPU count: 1 } ]
END
cat >"$scratch/models/probe/1/model.py" <<'END'
import importlib.util
import os

for name in ("on_pythonpath", "tritonclient"):
    print("PROBE", name, "found" if importlib.util.find_spec(name) else "missing", flush=True)
print("PROBE PYTHONPATH", "set" if os.environ.get("PYTHONPATH") else "unset", flush=True)


class TritonPythonModel:
    def execute(self, requests):
        raise NotImplementedError
END

cd "$scratch/empty"
status=0
PATH="$scratch/venv/bin:$PATH" PYTHONPATH="$scratch/extra" \
    LD_LIBRARY_PATH="$packages/nvidia_pytriton.libs:$base/lib" \
    timeout 60 "$scratch/server/bin/tritonserver" --model-repository="$scratch/models" \
    --backend-directory="$scratch/server/backends" --allow-http=false --allow-metrics=false \
    --grpc-address=127.0.0.1 --grpc-port=18461 >"$scratch/log" 2>&1 &
server=$!
for _ in $(seq 120); do
    grep -q "server_version" "$scratch/log" 2>/dev/null && break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.5
done
kill "$server" 2>/dev/null || true
wait "$server" || status=$?

echo "nvidia-pytriton 0.7.0, $(grep -o 'server_version *| [0-9.]*' "$scratch/log" | tr -s ' |' ' ')"
echo "guess: a package on PYTHONPATH is found, as in any Python program"
echo "seen:"
grep "PROBE" "$scratch/log" | sort -u
grep -q "PROBE PYTHONPATH set" "$scratch/log" # the variable does reach the stub
grep -q "PROBE on_pythonpath missing" "$scratch/log" # and is not used
grep -q "PROBE tritonclient found" "$scratch/log" # a package of the environment that is first in PATH
