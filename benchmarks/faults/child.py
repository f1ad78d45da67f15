"""The process that is disturbed: it has the library, and forks once for each attempt."""

import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from .attempt import try_all
from .printing import STATES, try_output
from .shim import FAULTS, Shim


def main() -> None:
    """Tries the operations of a module whose name holds a word, and writes what came of it.

    Arguments: the module (reader or trainer), the file to write, the seconds for each operation
    and fault, and words; none: all operations. A word `fault=NAME` chooses a fault.
    """
    module, out, seconds, words = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]
    shim = Shim()
    rows: list[dict[str, Any]] = []
    chosen = [word.removeprefix("fault=") for word in words if word.startswith("fault=")]
    words = [word for word in words if not word.startswith("fault=")]
    operations = import_module(f"benchmarks.faults.{module}")
    for operation in operations.OPERATIONS:
        if words and not any(word in operation.name for word in words):
            continue
        started = time.monotonic()
        for fault in FAULTS:
            if chosen and fault.name not in chosen:
                continue
            found = try_all(shim, operation, fault, seconds * operation.depth)
            rows.append(vars(found))
            out.write_text(json.dumps(rows, indent=1), "utf-8")
            print(
                f"{operation.name}: {fault.name}: {dict(found.outcomes)}, "
                f"{len(found.problems)} problems",
                file=sys.stderr,
            )
        print(f"  {time.monotonic() - started:.1f} s", file=sys.stderr)
    for printing in operations.PRINTING:
        for state in STATES:
            if words and not any(word in printing.name for word in words):
                continue
            if chosen and state not in chosen:
                continue
            rows.append(try_output(printing, state))
    out.write_text(json.dumps(rows, indent=1), "utf-8")


if __name__ == "__main__":
    main()
