"""The first weights of a character model with a warm start, and what it forgets of earlier text."""

import numpy as np
import torch

from rnn_train.distillation.growth import grow_charlm
from rnn_train.distillation.warm_start import WarmStart
from rnn_train.evaluation.language_model import held_out_loss
from rnn_train.models.charlm import CharLSTM
from rnn_train.tasks.charlm.data import open_data
from rnn_train.tasks.charlm.overlap import shared_share
from rnn_train.tasks.charlm.plan import CharLMPlan
from rnn_train.tasks.task import SEEN, seen_before
from rnn_train.training import checkpoint
from rnn_train.training.run import Run

INITIAL_WEIGHTS = "initial.ckpt"
_EARLIER = "earlier.ckpt"
_CHARACTERS = 100_000
"""Characters of the earlier text that are read."""
_LOSS = "earlier_data_nats_per_char"


def write_start(run: Run, warm: WarmStart, plan: CharLMPlan) -> dict[str, float]:
    """Writes the first weights of a new run, and the held-out text of the earlier run.

    Tokens of the earlier text mean the same characters in the new model, because new characters
    come after the known ones.

    Args:
        run: the new run.
        warm: the earlier run.
        plan: of the new run, whose text is written already.

    Returns:
        The loss of the earlier model on the earlier text, at temperature 1; and `SEEN`, if the
        earlier text has some of the new held-out text.

    Raises:
        RunError: the folder cannot be written.
    """
    model = CharLSTM(plan.model)
    grow_charlm(warm.weights, model)
    checkpoint.write(run.folder / INITIAL_WEIGHTS, model.state_dict())
    before = Run.open(warm.folder)
    try:
        data = open_data(before, CharLMPlan.from_config(before.config()))
        tokens = data.held_out if data.has_held_out else data.corpus.tokens
        kept = np.array(tokens[:_CHARACTERS], np.int64)
        new = open_data(run, plan)
        seen = shared_share(new.held_out, new.mark, data)
    finally:
        before.close()
    earlier = CharLSTM(warm.model).eval()
    earlier.load_state_dict(warm.weights)
    state = {"tokens": torch.from_numpy(kept), "mark": data.mark}
    checkpoint.write(run.folder / _EARLIER, state)
    loss = held_out_loss(earlier, kept, mark=data.mark)
    return {_LOSS: loss} | ({SEEN: seen} if seen else {})


def forgetting(run: Run, plan: CharLMPlan, model: CharLSTM) -> dict[str, float]:
    """Measures a trained model on the earlier text, beside the figures of the warm start."""
    if not plan.earlier:
        return {}
    kept = checkpoint.read(run.folder / _EARLIER)
    now = held_out_loss(model, kept["tokens"].numpy(), mark=kept["mark"])
    return {f"{_LOSS}_before": plan.earlier[_LOSS], _LOSS: now} | seen_before(plan)
