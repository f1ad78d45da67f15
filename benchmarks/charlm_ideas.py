"""Ideas that the recipe of the character model does not use, each tried beside it.

    python -m benchmarks.charlm_ideas text.txt [--only IDEA] [--seed N]

Each model is the one that the recipe chooses for so many characters and epochs, or for --minutes on
two cores with AVX2. It learns the first
part of a text. The text after it gives the temperature, and the weights of a mean that are learnt.
The text after that is scored, in one stateful pass; characters that the first part lacks are left
out. The teachers of a seed are the same for all its students. A snapshot is taken of a teacher's
averaged weights after six tenths of its training.

Figures are means over the seeds. Finished ideas are kept in the results file, and teachers in
--teachers; a further call goes on after them.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from rnn_train.tasks.charlm.objective import CharLMObjective
from rnn_train.tasks.charlm.task import CharLMTask

from .ablation import Ablation
from .harness import RESULTS, machine
from .idea_teachers import learnt_weights, write_geometric_mean, write_weighted_mean
from .idea_training import (
    GrowingStreams,
    ShuffledStreams,
    TwoAhead,
    objective_over,
    text_of,
)
from .idea_trial import CPU, Idea, Texts, Trial

RESULT = RESULTS / "charlm_ideas.json"
_TWO = ("1", "2")
_FOUR = (*_TWO, "1-snapshot", "2-snapshot")


def _shuffled(task: CharLMTask, steps: int) -> tuple[CharLMObjective, int]:
    training = task.plan.training
    streams = ShuffledStreams(text_of(task), training.batch, training.window, training.seed)
    return objective_over(streams, task, CPU), steps


def _growing(task: CharLMTask, steps: int) -> tuple[CharLMObjective, int]:
    training = task.plan.training
    shape = training.batch, training.window, training.seed
    streams = GrowingStreams(text_of(task), *shape, usual=steps)
    return objective_over(streams, task, CPU), streams.steps


def _two_ahead(task: CharLMTask, steps: int) -> tuple[CharLMObjective, int]:
    return TwoAhead(task, CPU), steps


def _geometric(texts: Texts, teachers: list[Path], path: Path) -> None:
    write_geometric_mean(teachers, texts.tokens("train"), path)


def _learnt(texts: Texts, teachers: list[Path], path: Path) -> None:
    weights = learnt_weights(teachers, texts.tokens("between"))
    print(f"weights of the teachers: {weights}", flush=True)
    write_weighted_mean(teachers, texts.tokens("train"), path, weights)


STUDENT = "student of two"
"""What the other students are compared with."""
IDEAS: dict[str, Idea] = {
    "recipe": Idea(),
    "a tenth of the weight decay": Idea(decay=0.1),
    "weight decay ten times higher": Idea(decay=10),
    "weight decay thirty times higher": Idea(decay=30),
    "dropout of twice as many passes": Idea(passes=2),
    "pieces of the text in random order": Idea(objective=_shuffled),
    "short windows first": Idea(objective=_growing),
    "the character after the next one is predicted too": Idea(objective=_two_ahead),
    "Muon for each gate alone": Idea(per_gate=True),
    STUDENT: Idea(teachers=_TWO),
    "student of their geometric mean": Idea(teachers=_TWO, mean=_geometric),
    "student of the geometric mean of two and of a snapshot of each": Idea(
        teachers=_FOUR, mean=_geometric
    ),
    "student of these four, by learnt weights": Idea(teachers=_FOUR, mean=_learnt),
}


def main() -> None:
    """Tries the ideas that are not tried yet."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="a text")
    parser.add_argument("--characters", type=int, default=150_000, help="to learn from")
    parser.add_argument("--between", type=int, default=10_000, help="characters after them")
    parser.add_argument("--scored", type=int, default=40_000, help="characters after those")
    parser.add_argument("--epochs", type=float, default=8)
    parser.add_argument("--minutes", type=float, help="the recipe is that of so many minutes")
    parser.add_argument("--seed", type=int, action="append", help="default: 0 and 1")
    parser.add_argument("--only", action="append", metavar="IDEA", choices=list(IDEAS))
    parser.add_argument("--teachers", type=Path, default=Path("runs/charlm_ideas"))
    parser.add_argument("--results", type=Path, default=RESULT)
    asked = parser.parse_args()
    text = asked.data.read_text("utf-8")
    ends = np.cumsum([0, asked.characters, asked.between, asked.scored])
    texts = Texts(*(text[a:b] for a, b in pairwise(ends)))
    minutes = f" --minutes {asked.minutes:g}" if asked.minutes else ""
    facts = {
        "command": f"python -m benchmarks.charlm_ideas text.txt --characters {asked.characters} "
        f"--epochs {asked.epochs:g}{minutes}",
        "machine": machine(),
        "characters": asked.characters,
        "scored": len(texts.known("scored")) - 1,
        "epochs": asked.epochs,
        "minutes": asked.minutes,
        "bases": {name: STUDENT for name, idea in IDEAS.items() if idea.teachers},
    }
    found = Ablation(asked.results, facts)
    for seed in asked.seed or (0, 1):
        budget = f"{asked.characters}-characters-{asked.epochs:g}-epochs"
        folder = asked.teachers / f"{asked.data.stem}-{budget}-seed-{seed}"
        trial = Trial(texts, asked.minutes, asked.epochs, seed, folder)
        for name in asked.only or IDEAS:
            if not found.has(name, seed):
                figures = trial.measure(IDEAS[name])
                found.keep(name, seed, figures)
                print(f"{seed}  {name:50} {figures}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
