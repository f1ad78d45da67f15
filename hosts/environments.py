"""An environment for each engine, in hosts/build/. Its name has a digest of its packages.

So an engine whose packages change gets a new environment.
"""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

from .engines import ENGINES
from .files import BUILD

INSTALL_SECONDS = 900
"""What the installation of an engine may take."""
_VERSIONS = """
import importlib.metadata as m, json, sys
print(json.dumps({name: m.version(name) for name in sys.argv[1:]}))
"""


class InstallError(Exception):
    """An engine cannot be installed."""


def environment(engine: str, python: str) -> Path:
    """Returns the Python of an engine's environment, which is made first if it is not there.

    Args:
        engine: its name in `ENGINES`.
        python: makes the environment.

    Raises:
        InstallError: pip refuses, or takes too long.
    """
    packages = ENGINES[engine].packages
    key = hashlib.sha256("\n".join((python, *packages)).encode()).hexdigest()[:12]
    folder = BUILD / f"{engine.lower().replace(' ', '-')}-{key}"
    found = folder / "bin" / "python"
    complete = folder / "complete"  # written last: an installation may be interrupted
    if complete.exists():
        return found
    shutil.rmtree(folder, ignore_errors=True)
    pip = [found, "-m", "pip", "install", "--quiet", *packages]
    try:
        subprocess.run([python, "-m", "venv", folder], check=True)
        subprocess.run(pip, check=True, timeout=INSTALL_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        raise InstallError(f"{engine}: {error}") from error
    complete.touch()
    return found


def installed(engine: str, python: str) -> dict[str, str]:
    """Returns the versions of an engine's packages, as its environment has them.

    Raises:
        InstallError: it cannot be installed.
    """
    names = [each.partition("==")[0] for each in ENGINES[engine].packages]
    command = [environment(engine, python), "-c", _VERSIONS, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    versions: dict[str, str] = json.loads(done.stdout)
    return versions
