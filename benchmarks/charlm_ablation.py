"""What each part of the character model's recipe is worth: the recipe, and each part changed alone.

    python -m benchmarks.charlm_ablation text.txt [--only VARIANT] [--seed N]

Every variant reads the same first part of a text equally often, and is scored on what follows it,
in one stateful pass at the temperature that is best there, as a run with held-out text does it;
characters that the first part lacks are left out. Figures are means over the seeds. Finished
variants are kept in the results file, and a further call goes on after them. What is not a part of
the recipe is tried by `benchmarks.charlm_ideas`.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from rnn_train.evaluation.language_model import fit_temperature, held_out_loss
from rnn_train.exporting.model_file import export
from rnn_train.models.charlm import CharLSTM
from rnn_train.models.parameters import parameter_count
from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.tasks.plan import Settings
from rnn_train.tasks.request import CharLMRequest
from rnn_train.training.loop import Trainer
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule

from .ablation import Ablation, Figures
from .harness import RESULTS, machine

RESULT = RESULTS / "charlm_ablation.json"
MODEL: dict[str, Any] = {
    "embedding": 128,
    "hidden": 256,
    "layers": 2,
    "skip": False,
    "dropout_input": 0.2,
    "dropout_layer": 0.3,
    "dropout_output": 0.4,
}
TRAINING: dict[str, Any] = {
    "batch": 16,
    "window": 64,
    "learning_rate": 4e-3,
    "muon": 2.5,
    "weight_decay": 0.05,
}
_NO_DROPOUT = {"dropout_input": 0.0, "dropout_layer": 0.0, "dropout_output": 0.0}
VARIANTS: dict[str, dict[str, Any]] = {
    "recipe": {},
    "AdamW in place of Muon": {"training": {"muon": 0.0}},
    "embedding and head learn five times faster": {
        "training": {"learning_rate": 2e-2, "muon": 0.5}
    },
    "without dropout": {"model": _NO_DROPOUT},
    "without the average of weights": {"training": {"average": 0.0}},
    "weight decay 0": {"training": {"weight_decay": 0.0}},
    "with weight drop 0.3": {"model": {"weight_drop": 0.3}},
    "one layer of the same size": {"model": {"layers": 1, "hidden": 400}},
    "head that reads all layers": {"model": {"skip": True}},
    "with an MLP head": {"model": {"head": 256}},
    "taught by two of it, without dropout": {
        "teachers": 2,
        "model": _NO_DROPOUT,
    },
}


def main() -> None:
    """Measures the variants that are not measured yet."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="a text")
    parser.add_argument("--characters", type=int, default=150_000, help="to learn from")
    parser.add_argument("--held-out", type=int, default=40_000, help="characters after them")
    parser.add_argument("--epochs", type=float, default=8)
    parser.add_argument("--seed", type=int, action="append", help="default: 0 and 1")
    parser.add_argument("--only", action="append", metavar="VARIANT")
    parser.add_argument("--results", type=Path, default=RESULT)
    asked = parser.parse_args()
    text = asked.data.read_text("utf-8")
    middle = asked.characters
    train, held = text[:middle], text[middle : middle + asked.held_out]
    known = set(train)
    sides = train, "".join(char for char in held if char in known)
    facts = {
        "command": "python -m benchmarks.charlm_ablation text.txt",
        "machine": machine(),
        "characters": middle,
        "held_out": len(sides[1]),
        "epochs": asked.epochs,
        "model": MODEL,
        "training": TRAINING,
    }
    found = Ablation(asked.results, facts)
    for seed in asked.seed or (0, 1):
        for name in asked.only or VARIANTS:
            if not found.has(name, seed):
                figures = measure(*sides, VARIANTS[name], seed, asked.epochs)
                found.keep(name, seed, figures)
                print(f"{seed}  {name:45} {figures}", flush=True)


def measure(train: str, held: str, change: dict[str, Any], seed: int, epochs: float) -> Figures:
    """Trains one variant by the recipe, after its teachers if it has any, and measures it."""
    started = time.process_time()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for side, text in (("train.txt", train), ("held.txt", held)):
            (folder / side).write_text(text, "utf-8")
        teachers = []
        for number in range(1, change.get("teachers", 0) + 1):
            task, model, _ = _train_one(folder / str(number), {}, seed + 100 * number, epochs)
            teachers.append(folder / f"{number}.onnx")
            export(model, task.card(task.measure(model)), teachers[-1])
        task, model, learnt = _train_one(folder / "run", change, seed, epochs, tuple(teachers))
        temperature = fit_temperature(model, task.data.held_out).temperature
        loss = held_out_loss(model, task.data.held_out, 1, temperature)
    return {
        "held_out_nats_per_char": loss,
        "temperature": temperature,
        "training_loss": learnt,
        "parameters": parameter_count(task.model),
        "cpu_seconds": time.process_time() - started,
    }


def _train_one(
    folder: Path,
    change: dict[str, Any],
    seed: int,
    epochs: float,
    teachers: tuple[Path, ...] = (),
) -> tuple[CharLMTask, CharLSTM, float]:
    """Trains one network on the texts next to its run folder. The last is the training loss."""
    torch.manual_seed(seed)
    request = CharLMRequest(
        data=(str(folder.parent / "train.txt"),),
        val_data=str(folder.parent / "held.txt"),
        seed=seed,
        epochs=epochs,
        teachers=teachers,
        model=MODEL | change.get("model", {}),
        training=TRAINING | {"validate_every": 1e9} | change.get("training", {}),
    )
    run = Run.create("charlm", folder)
    task = CharLMTask.create(run, request, Settings(device="cpu"))
    device = torch.device("cpu")
    task.prepare(device, print)
    steps = round(epochs * task.steps_per_epoch)
    schedule = Schedule(task.plan.training.learning_rate, steps=steps, minutes=None)
    outcome = Trainer(run, task.objective(device), schedule, task.plan.training, device).fit()
    if not outcome.finished:
        raise KeyboardInterrupt  # half a run is no figure
    assert isinstance(outcome.model, CharLSTM)
    learnt = run.metrics()[-1]["loss"]
    run.close()
    return task, outcome.model, learnt


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
