"""Going on with a run that has finished: a further part, with its own budget and schedule."""

import dataclasses
from pathlib import Path
from typing import Any

from rnn_train.distributed.environment import resume_command
from rnn_train.errors import RunError
from rnn_train.files import read_bytes, write_bytes
from rnn_train.progress import Log
from rnn_train.tasks.plan import Continuation, Plan
from rnn_train.tasks.task import Task
from rnn_train.training import checkpoint
from rnn_train.training.loop import is_finished
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule


def check_finished(run: Run, plan: Plan, state: dict[str, Any] | None) -> None:
    """Checks that a run has come to the end of its last part.

    Args:
        run: the run folder.
        plan: of the run.
        state: content of its last checkpoint; None: there is none.

    Raises:
        RunError: it has not; the message has the command that goes on.
    """
    if state is None or awaits_part(plan, state) or not is_finished(state):
        raise RunError(
            f"{run.folder} has not finished, and keeps its budget; go on with: "
            f"{resume_command(plan.command, run.folder)}, and give --minutes or --epochs "
            "when it has finished"
        )


def awaits_part(plan: Plan, state: dict[str, Any]) -> bool:
    """Whether a part was asked for and has no checkpoint yet.

    Args:
        plan: of the run.
        state: content of its last checkpoint.
    """
    return len(plan.continued) > Schedule(**state["plan"]).part


def add_part(
    run: Run,
    task: Task,
    state: dict[str, Any],
    out: Path,
    minutes: float | None,
    epochs: float | None,
    log: Log,
) -> None:
    """Adds a part to a finished run: measures the model as it is, and writes the budget down.

    The model file so far is kept in the run folder, for the case that the model gets worse.

    Args:
        run: the run folder.
        task: the task of the run.
        state: content of its last checkpoint.
        out: path of the exported file.
        minutes, epochs: budget of the part; one of them is None.
        log: takes one line of text at a time.

    Raises:
        RunError: the folder cannot be written.
    """
    task.model.load_state_dict(checkpoint.averaged_weights(state))
    before = task.measure(task.model.eval()).metrics
    part = Continuation(step=state["step"], minutes=minutes, epochs=epochs, before=before)
    config = run.config()
    parts = [*config.get("continued", ()), dataclasses.asdict(part)]
    if out.is_file():
        kept = run.folder / f"before-{len(parts)}.onnx"
        write_bytes(kept, read_bytes(out))
        log(f"the model so far is kept as {kept}")
    run.write_config(config | {"continued": parts})
