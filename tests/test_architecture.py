"""The allowed imports between families, which stand in `pyproject.toml`."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_families_import_only_what_they_may() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kept, 0 broken" in done.stdout
