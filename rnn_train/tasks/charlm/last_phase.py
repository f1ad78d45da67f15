"""The last part of a run: the held-out text is measured once more, and then it is learnt too.

So no text of the user is lost to measuring, and the temperature still comes from text that was new
to the model.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from rnn_train.data.document_streams import DocumentStreams
from rnn_train.data.streams import Ring, Streams
from rnn_train.errors import RunError
from rnn_train.files import write_bytes
from rnn_train.models.charlm import CharLSTM
from rnn_train.tasks.charlm.data import CharLMData
from rnn_train.tasks.charlm.measurement import measure
from rnn_train.tasks.task import HeldOutResult
from rnn_train.training import checkpoint

_FILE = "measured.json"


@dataclass(frozen=True, kw_only=True)
class LastPhase:
    """What training learns after the last measurement."""

    begins: float
    """Share of the run after which it begins, below 1."""
    streams: Streams | DocumentStreams
    """Windows of the whole text."""
    soft_targets: Ring | None
    """The teachers' probabilities after each character of the whole text."""
    data: CharLMData
    folder: Path
    """The run folder, where the figures are kept."""

    def measure(self, model: CharLSTM, step: int) -> HeldOutResult:
        """Measures a model on the held-out text, and keeps the result in the run folder.

        Args:
            model: in evaluation mode.
            step: number of steps that the model was trained.

        Raises:
            RunError: the file cannot be written.
        """
        result = measure(model, self.data)
        metrics = {**result.metrics, "held_out_measured_at_step": float(step)}
        kept = {
            "temperature": result.temperature,
            "metrics": metrics,
            "warnings": result.warnings,
        }
        write_bytes(self.folder / _FILE, json.dumps(kept).encode())
        return dataclasses.replace(result, metrics=metrics)

    def forget(self) -> None:
        """Removes the result, of a session that was killed before it saved a later step."""
        (self.folder / _FILE).unlink(missing_ok=True)


def read_result(folder: Path) -> HeldOutResult | None:
    """Reads what `LastPhase.measure` has kept; None: the last phase has not begun.

    Raises:
        RunError: the file is damaged; or it is gone, and the text is learnt since.
    """
    path = folder / _FILE
    if not path.exists():
        _refuse_lost(folder)
        return None
    try:
        kept = json.loads(path.read_text("utf-8"))
        warnings = tuple(map(str, kept.get("warnings", ())))
        return HeldOutResult(dict(kept["metrics"]), float(kept["temperature"]), warnings=warnings)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(
            f"{path} is damaged ({type(error).__name__}: {error}), and the held-out text is learnt "
            "since; put the old contents back, or start a new run"
        ) from error


def _refuse_lost(folder: Path) -> None:
    """Raises `RunError` if the newest checkpoint is of the last phase: what would be measured now
    is text that the model has learnt."""
    checkpoints = folder / "checkpoints"
    if not checkpoint.exists(checkpoints):
        return
    state, _ = checkpoint.load_latest(checkpoints)
    if state.get("task", {}).get("last_phase") is not None:
        raise RunError(
            f"{folder / _FILE} is gone, which has the held-out figures and the temperature, and "
            "the held-out text is learnt since; put the file back, or start a new run"
        )
