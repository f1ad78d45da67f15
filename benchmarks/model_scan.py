"""What a security scanner of model files says about the shipped models.

    pip install modelaudit onnx
    python -m benchmarks.model_scan

Written to results/model_scan.json.
"""

import json
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .harness import RESULTS

EXPORTED = Path(__file__).parents[1] / "exported"


def scan() -> dict[str, Any]:
    """Run modelaudit on the shipped files, and return its checks and remarks."""
    files = sorted(EXPORTED.glob("*.onnx"))
    command = ["modelaudit", "scan", *map(str, files), "--format", "json"]
    # Its exit status is 1 for remarks too.
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    remarks = [
        {
            "file": Path(each["location"]).name,
            "severity": each["severity"],
            "message": each["message"],
        }
        for each in found["issues"]
    ]
    return {
        "command": "python -m benchmarks.model_scan",
        "scanner": f"modelaudit {version('modelaudit')}",
        "files": [path.name for path in files],
        "checks": found["total_checks"],
        "passed": found["passed_checks"],
        "remarks": remarks,
    }


if __name__ == "__main__":
    path = RESULTS / "model_scan.json"
    path.write_text(json.dumps(scan(), indent=1) + "\n", "utf-8")
