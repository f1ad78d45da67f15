"""Training of the classifier on a large table and on long rows: quality, memory, minutes kept.

    python -m benchmarks.million_names --data TABLE.csv --minutes 30 [--before FOLDER]

The recipe trains on the table for the minutes, with `--threads` (default: all cores) and no other
option, and once more for `--short-minutes`. The held-out tenth is cut by text. Then the hashed
linear model reads the same training rows for `--linear-minutes` (default: as many) with as many
threads, and is measured on the same held-out rows. Ten thousand rows of the table, sixty rows of
12,000 characters and one row of 2,000,000 characters follow. `--before` is a folder with another
version of the sources: both versions then train on the table at the same time for `--race-minutes`,
with one thread each.
"""

import argparse
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import machine

HERE = Path(__file__).parent
RESULT = HERE / "results" / "million_names.json"


def start(
    sources: Path, data: Path, minutes: float, folder: Path, threads: int | None = None
) -> tuple[int, float]:
    """Starts a training run; returns its process id and the time."""
    command = [sys.executable, "-m", "rnn_train", "classifier", "--data", str(data)]
    command += ["--minutes", str(minutes), "--run", str(folder / "run")]
    command += ["--out", str(folder / "out.onnx")]
    command += ["--threads", str(threads)] if threads else []
    environment = os.environ | {"PYTHONPATH": str(sources)}
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    return process.pid, time.monotonic()


def finish(pid: int, begun: float, folder: Path, minutes: float) -> dict[str, Any]:
    """Waits for a run and returns its figures."""
    _, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - begun
    if status:
        return {"failed": (folder / "log.txt").read_text()[-300:], "seconds": round(seconds, 1)}
    lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    rows = last["seconds"] * last["units_per_second"]
    return {
        "seconds": round(seconds, 1),
        "over_the_minutes": round(seconds / (60 * minutes) - 1, 3),
        "training_seconds": last["seconds"],
        "steps": last["step"],
        "rows_trained": round(rows),
        "rows_a_second_of_all": round(rows / seconds),
        "peak_megabytes": round(usage.ru_maxrss / 1024),
        "val_accuracy_of_sample": last.get("val_accuracy"),
    }


def long_rows(path: Path, lengths: list[int]) -> Path:
    """Writes a table of long rows of two labels."""
    chance = random.Random(0)
    lines = [
        "".join(chance.choices("abcdefg " if i % 2 else "defghij ", k=length)) + f",{'xy'[i % 2]}"
        for i, length in enumerate(lengths)
    ]
    path.write_text("text,label\n" + "\n".join(lines) + "\n")
    return path


def quality(folder: Path) -> dict[str, Any]:
    """Returns the held-out figures of a run, and its number of parameters."""
    from rnn_infer import load
    from rnn_train.evaluation import metrics
    from rnn_train.evaluation.answers import Answers
    from rnn_train.evaluation.classification import held_out_logits
    from rnn_train.evaluation.temperature import fit_to_logits
    from rnn_train.models.parameters import parameter_count
    from rnn_train.run_task import finished_task
    from rnn_train.tasks.classifier.task import ClassifierTask

    facts = load(folder / "out.onnx", device="cpu").metadata.training
    with finished_task(folder / "run", lambda _: None) as task:
        assert isinstance(task, ClassifierTask)
        size = parameter_count(task.model)
        logits, labels = held_out_logits(task.model, task.data.alphabet, task.data.held_out)
    alone = fit_to_logits(logits, labels).temperature
    error = metrics.reliability(Answers.of(logits / alone, labels)).error
    kept = {key: value for key, value in facts.items() if not key.startswith("model.")}
    return {"parameters": size} | kept | {"calibration_error_by_temperature_alone": error}


def linear(folder: Path, minutes: float, threads: int | None) -> dict[str, Any]:
    """Fits the hashed linear model to the training rows of a run, and measures it."""
    import torch

    from rnn_train.data.alphabet import label_indices
    from rnn_train.evaluation import metrics
    from rnn_train.evaluation.answers import Answers
    from rnn_train.evaluation.calibration import CalibratedHalves
    from rnn_train.evaluation.hashed_linear import HashedLinear
    from rnn_train.tasks.classifier.data import open_data
    from rnn_train.training.run import Run

    torch.set_num_threads(threads or torch.get_num_threads())
    run = Run.open(folder / "run")
    data = open_data(run)
    model = HashedLinear(data.alphabet, 0).fit(data.train, 60 * minutes, epochs=1_000)
    scores = model.scores(data.held_out)
    labels = torch.from_numpy(label_indices(data.held_out, data.alphabet))
    run.close()
    scaled = CalibratedHalves.of(scores, labels, data.log_prior(0.0))
    answers = Answers.of(scaled, labels, data.log_prior(0.0))
    found, priors = metrics.summary(answers), metrics.by_prior(answers)
    best = max(each["macro_f1"] for each in priors.values())
    facts = {"minutes": minutes, "parameters": model.parameters, "rows_read": model.trained}
    return {**facts, **found, "best_prior_macro_f1": best}


def race(data: Path, before: Path, minutes: float, root: Path) -> dict[str, Any]:
    """Trains both versions at the same time, with one thread each."""
    started = {}
    for version, where in {"now": HERE.parent, "before": before}.items():
        (folder := root / f"race-{version}").mkdir()
        started[version] = folder, start(where.resolve(), data, minutes, folder, threads=1)
    found: dict[str, Any] = {
        version: finish(*begun, folder, minutes) for version, (folder, begun) in started.items()
    }
    rates = [found[version].get("rows_a_second_of_all", 0) for version in started]
    found["times_as_many_rows"] = round(rates[0] / rates[1], 1) if rates[1] else None
    return found


def unpacked(data: Path, root: Path) -> Path:
    """Returns a table that is not packed."""
    if data.suffix != ".gz":
        return data.resolve()
    with gzip.open(data) as packed, (root / data.stem).open("wb") as plain:
        shutil.copyfileobj(packed, plain)
    return root / data.stem


def small_tables(root: Path, data: Path | None) -> dict[str, Path]:
    """Writes ten thousand rows of the table, if there is one, and tables of long rows."""
    tables = {}
    if data:
        tables["ten thousand rows"] = small = root / "ten_thousand.csv"
        with data.open(encoding="utf-8") as stream:
            few = "".join(line for line, _ in zip(stream, range(10_000), strict=False))
        small.write_text(few, encoding="utf-8")
    return tables | {
        "sixty rows of 12,000": long_rows(root / "sixty.csv", [12_000] * 60),
        "one row of 2,000,000": long_rows(root / "one.csv", [2_000_000] + [100] * 99),
    }


def main() -> None:
    """Runs all of it and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a large table; without it, long rows alone")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--threads", type=int, help="default: all cores")
    parser.add_argument("--short-minutes", type=float, default=8, help="0: none")
    parser.add_argument("--linear-minutes", type=float, help="default: as --minutes; 0: none")
    parser.add_argument("--before", type=Path)
    parser.add_argument("--race-minutes", type=float, default=4)
    asked = parser.parse_args()
    found: dict[str, Any] = {"machine": machine()}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        table = unpacked(asked.data, root) if asked.data else None
        if table:
            found |= {"data": asked.data.name, "threads": asked.threads or os.cpu_count()}
            for title, minutes in {"now": asked.minutes, "short": asked.short_minutes}.items():
                if minutes:
                    (root / title).mkdir()
                    begun = start(HERE.parent, table, minutes, root / title, asked.threads)
                    found[title] = {"minutes": minutes}
                    found[title] |= finish(*begun, root / title, minutes)
        for title, small in small_tables(root, table).items():
            (folder := root / small.stem).mkdir()
            found[title] = finish(*start(HERE.parent, small, 0.2, folder, 1), folder, 0.2)
        if table and asked.before:
            found["race, one thread each"] = race(table, asked.before, asked.race_minutes, root)
        # Last: a child process would count the memory that this one has taken by then.
        if table and "failed" not in found["now"]:
            few = found["ten thousand rows"].get("peak_megabytes", 0)
            above = found["now"]["peak_megabytes"] - few
            found["now"] |= {"megabytes_above_ten_thousand_rows": above}
            for title in ("now", "short"):
                if title in found and "failed" not in found[title]:
                    found[title] |= quality(root / title)
            RESULT.write_text(json.dumps(found, indent=2) + "\n")  # the linear model takes long
            minutes = asked.minutes if asked.linear_minutes is None else asked.linear_minutes
            if minutes:
                found["hashed linear"] = linear(root / "now", minutes, asked.threads)
    RESULT.write_text(json.dumps(found, indent=2) + "\n")
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
