"""The commands `charlm` and `classifier`: their options, their refusals, and whole runs."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import Result
from torch.distributed.run import get_args_parser

from rnn_infer.tables.options import TableOptions
from rnn_train import pipeline
from rnn_train import preview as preview_module
from rnn_train.cli.commands import main
from rnn_train.run_task import finished_task
from rnn_train.tasks.charlm.objective import CharLMObjective
from rnn_train.tasks.request import CharLMRequest, ClassifierRequest
from rnn_train.training import checkpoint
from rnn_train.training.run import Run
from rnn_train.training_session import TrainingReport

Call = Callable[..., Result]
ErrorOf = Callable[..., str]

LABELLED = "".join(f"text {i},{('even', 'odd')[i % 2]}\n" for i in range(24))
TINY = ("--hidden", "8", "--embedding", "4", "--device", "cpu", "--threads", "1")
QUICK = (*TINY, "--batch", "16", "--epochs", "1")


# --- from options to a request ---------------------------------------------------------


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command passes to `pipeline.train`, which is not run."""
    found: dict[str, Any] = {}

    def train(request: Any, out: Path, **options: Any) -> None:
        found.update(request=request, out=out, **options)

    monkeypatch.setattr(pipeline, "train", train)
    return found


def run(call: Call, *words: str) -> None:
    result = call(*words)
    assert result.exit_code == 0, result.output


def test_charlm_without_options(call: Call, asked: dict[str, Any]) -> None:
    run(call, "charlm")
    assert asked["request"] == CharLMRequest()
    assert (asked["out"], asked["folder"]) == (Path("exported/charlm.onnx"), None)
    assert (asked["device"], asked["threads"]) == ("auto", None)


def test_classifier_without_options(call: Call, asked: dict[str, Any]) -> None:
    run(call, "classifier")
    assert asked["request"] == ClassifierRequest()
    assert (asked["out"], asked["folder"]) == (Path("exported/classifier.onnx"), None)


COMMON = (
    "--data a --data b --val-fraction 0.2 --epochs 3 --seed 5 --ensemble 2 "
    "--temperature 1.5 --hidden 6 --layers 2 --embedding 3 --batch 9 --learning-rate 0.01 "
    "--validate-every 7 --out o.onnx --run r --device cpu --threads 2"
)
REQUEST: dict[str, Any] = {
    "data": ("a", "b"),
    "val_fraction": 0.2,
    "epochs": 3.0,
    "seed": 5,
    "ensemble": 2,
    "temperature": 1.5,
}
MODEL = {"hidden": 6, "layers": 2, "embedding": 3}
TRAINING = {"batch": 9, "learning_rate": 0.01, "validate_every": 7.0}


def test_every_option_of_charlm(call: Call, asked: dict[str, Any]) -> None:
    own = (
        "--min-count 4 --init-from i --teacher x.onnx --teacher y.onnx --head 8 --no-skip "
        "--window 12 --dropout-input 0.1 --dropout-layer 0.2 --dropout-output 0.3 "
        "--weight-drop 0.4 --muon 0.6 --average 0.9 --weight-decay 0.05 --no-capture "
        r"--separator \n--\n --no-learn-held-out"
    )
    run(call, "charlm", *COMMON.split(), *own.split())
    dropout = {"dropout_input": 0.1, "dropout_layer": 0.2, "dropout_output": 0.3}
    rates = {"muon": 0.6, "average": 0.9, "weight_decay": 0.05, "window": 12, "capture": False}
    assert asked["request"] == CharLMRequest(
        **REQUEST,
        min_count=4,
        init_from=Path("i"),
        teachers=(Path("x.onnx"), Path("y.onnx")),
        separator="\n--\n",
        learn_held_out=False,
        model=MODEL | dropout | {"head": 8, "skip": False, "weight_drop": 0.4},
        training=TRAINING | rates,
    )
    assert (asked["out"], asked["folder"]) == (Path("o.onnx"), Path("r"))
    assert (asked["device"], asked["threads"]) == ("cpu", 2)


def test_every_option_of_classifier(call: Call, asked: dict[str, Any]) -> None:
    own = "--cell gru --ngrams 2 --evidence 3 --no-pool --bag --dropout 0.1 --balance 0.7"
    own += " --ngram-dropout 0.2 --ngrams-alone 0.6"
    run(call, "classifier", *COMMON.split(), *own.split())
    cell = {"cell": "gru", "ngrams": 2, "evidence": 3, "pool": False, "bag": True, "dropout": 0.1}
    cell |= {"ngram_dropout": 0.2}
    own_fields: dict[str, Any] = {"balance": 0.7, "ngrams_alone": 0.6}
    request = ClassifierRequest(**REQUEST, **own_fields, model=MODEL | cell, training=TRAINING)
    assert asked["request"] == request


def test_table_options(call: Call, asked: dict[str, Any]) -> None:
    words = "--format csv --text-column 2 --label-column b --delimiter tab --encoding cp1252"
    run(call, "classifier", *words.split(), "--header")
    assert asked["request"].table == TableOptions(
        format="csv",
        text_column="2",
        label_column="b",
        delimiter="\t",
        encoding="cp1252",
        header=True,
    )


def test_dry_run(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    monkeypatch.setattr(
        preview_module, "preview", lambda asked, **more: found.append((asked, more))
    )
    run(call, "charlm", "--dry-run", "--data", "a", "--out", "o.onnx")
    ((request, more),) = found
    assert request == CharLMRequest(data=["a"])
    assert (more["out"], more["device"]) == (Path("o.onnx"), "auto")


def test_documents(call: Call, asked: dict[str, Any]) -> None:
    run(call, "charlm", "--documents", "file")
    assert asked["request"] == CharLMRequest(documents="file")


@pytest.mark.parametrize("command", ["charlm", "classifier"])
def test_minutes(call: Call, asked: dict[str, Any], command: str) -> None:
    run(call, command, "--minutes", "2.5")
    assert (asked["request"].minutes, asked["request"].epochs) == (2.5, None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), {}),
        (
            ("--out", "o.onnx", "--device", "cpu", "--threads", "3"),
            {"out": Path("o.onnx"), "device": "cpu", "threads": 3},
        ),
        (("--minutes", "2"), {"minutes": 2.0}),
        (("--epochs", "3"), {"epochs": 3.0}),
    ],
    ids=["kept", "changed", "minutes", "epochs"],
)
def test_resume(
    call: Call, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...], expected: dict[str, Any]
) -> None:
    found: dict[str, Any] = {}
    monkeypatch.setattr(pipeline, "resume", lambda run, **more: found.update(run=run, **more))
    run(call, "charlm", "--resume", "r", *given)
    del found["log"]
    kept = dict.fromkeys(("out", "device", "threads", "minutes", "epochs"))
    assert found == {"run": Path("r"), "kind": "charlm", **kept, **expected}


# --- refusals --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "data.txt: no such file, folder, glob or named set"),
        (b"", "data.txt: 0 characters of text; at least 1000 are needed"),
        (b"short", "data.txt: 5 characters of text; at least 1000"),
        (b"\x7fELF\0\0" * 1000, "a NUL at byte 4: this is a binary file"),
        (b"caf\xe9 " * 1000, "data.txt: not UTF-8 at byte 3"),
        (b"\xff\xfea\0b\0" * 1000, "UTF-16 text at byte 0"),
        (b"a" * 2000, "the text repeats one character"),
    ],
)
def test_bad_text(error_of: ErrorOf, tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "data.txt").write_bytes(content)
    assert message in error_of("charlm", "--data", "data.txt", *QUICK)
    assert not Path("exported/charlm.onnx").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", None, "rows.csv: no such file"),
        ("rows.csv", "", "rows.csv: 0 rows; at least 20 are needed"),
        (
            "rows.csv",
            LABELLED + "a,b,c\n",
            "line 25: 3 columns where the first row has 2",
        ),
        (
            "rows.csv",
            LABELLED + "alone\n",
            "line 25: 1 column where the first row has 2",
        ),
        ("rows.csv", LABELLED.replace("odd", "even"), "all rows have the label 'even'"),
        (
            "rows.csv",
            "text,label\n" + "text,\n" * 25 + LABELLED,
            "rows.csv: no label in 25 of 49 rows",
        ),
        ("rows.csv", LABELLED[:20], "rows; at least 20 are needed"),
        ("rows.csv", "\0" + LABELLED, "rows.csv: line 1: a NUL character"),
        ("rows.jsonl", '{"text": 1}\n', "rows.jsonl: line 1: expected"),
        ("rows.xlsx", "PK", "labelled data is a .csv, .tsv, .jsonl or .json file"),
    ],
)
def test_bad_table(
    error_of: ErrorOf, tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    assert message in error_of("classifier", "--data", name, *QUICK)
    assert not Path("exported/classifier.onnx").exists()


@pytest.mark.parametrize("command", ["charlm", "classifier"])
def test_output_that_cannot_be_written(
    error_of: ErrorOf, command: str, story: Path, table: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    data = {"charlm": story, "classifier": table}[command]
    for out, message in (("file/x.onnx", "cannot write"), (str(tmp_path), "is a folder")):
        line = error_of(command, "--data", str(data), "--out", out, *QUICK)
        assert message in line
    assert not Path("runs").exists(), "it is found out before any work"


@pytest.mark.parametrize("command", ["charlm", "classifier"])
def test_run_folder_that_cannot_be_written(error_of: ErrorOf, command: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "cannot write file/run" in error_of(command, "--run", "file/run", *QUICK)


@pytest.mark.parametrize("command", ["charlm", "classifier"])
def test_missing_cuda(error_of: ErrorOf, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "torch finds no CUDA device" in error_of(command, "--device", "cuda")
    assert not Path("runs").exists()


@pytest.mark.parametrize("command", ["charlm", "classifier"])
def test_two_budgets(error_of: ErrorOf, command: str) -> None:
    line = error_of(command, "--minutes", "1", "--epochs", "1")
    assert "--minutes and --epochs exclude each other" in line


@pytest.mark.parametrize("command", ["charlm", "classifier"])
def test_resume_of_a_missing_run(error_of: ErrorOf, command: str) -> None:
    assert "no run folder" in error_of(command, "--resume", "gone")


@pytest.mark.parametrize("command", ["charlm", "classifier"])
def test_unknown_set(error_of: ErrorOf, command: str) -> None:
    line = error_of(command, "--data", "tinyshakespear", *QUICK)
    assert "tinyshakespear" in line


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--data", "other.txt"),
        ("--hidden", "9"),
        ("--data", "x.txt"),
        ("--seed", "1"),
        ("--val-fraction", "0.1"),
        ("--learning-rate", "0.1"),
        ("--init-from", "gone"),
        ("--run", "other"),
    ],
)
def test_resume_with_changed_options(
    error_of: ErrorOf, finished: TrainingReport, option: str, value: str
) -> None:
    line = error_of("charlm", "--resume", str(finished.run), option, value)
    assert f"--resume keeps the options of the run; drop {option}" in line


def test_resume_of_another_command(error_of: ErrorOf, finished: TrainingReport) -> None:
    line = error_of("classifier", "--resume", str(finished.run))
    assert "is no classifier run; go on with: rnn-train charlm --resume" in line


def test_resume_of_a_changed_run(
    error_of: ErrorOf, finished: TrainingReport, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(finished.run, tmp_path / "copy"))
    (folder / "corpus.bin").write_bytes(b"\0\1" * 2000)
    line = error_of("charlm", "--resume", str(folder), "--out", "x.onnx")
    assert "changed since the last checkpoint: corpus.bin" in line


def test_run_folder_in_use(error_of: ErrorOf, finished: TrainingReport) -> None:
    run = Run.open(finished.run)
    for arguments in (
        ("charlm", "--resume", str(finished.run), "--out", "x.onnx"),
        ("export", str(finished.run), "--out", "x.onnx"),
        ("evaluate", str(finished.run), "--data", "x.txt"),
    ):
        assert "is in use by another process" in error_of(*arguments)
    run.close()


def test_run_folder_taken(error_of: ErrorOf, finished: TrainingReport, story: Path) -> None:
    line = error_of("charlm", "--data", str(story), "--run", str(finished.run), *QUICK)
    assert "holds a run already; go on with --resume" in line


def test_warm_start_of_another_kind(error_of: ErrorOf, finished: TrainingReport) -> None:
    line = error_of("classifier", "--init-from", str(finished.run))
    assert "is no classifier run; give --init-from a classifier run" in line


def test_infinite_loss(
    call: Call, error_of: ErrorOf, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = CharLMObjective.loss

    def loss(own: CharLMObjective, step: int) -> tuple[torch.Tensor, int]:
        value, size = plain(own, step)
        return value * (math.inf if step == 2 else 1), size

    monkeypatch.setattr(CharLMObjective, "loss", loss)
    line = error_of("charlm", "--data", str(story), "--run", "run", "--validate-every", "0", *QUICK)
    assert "start again with a lower --learning-rate" in line
    state, _ = checkpoint.load_latest(Path("run/checkpoints"))
    assert all(value.isfinite().all() for value in state["model"].values())
    assert call("export", "run", "--out", "x.onnx").exit_code == 0


def test_environment_that_torchrun_does_not_make(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    monkeypatch.delenv("MASTER_PORT", raising=False)
    for words in (("charlm",), ("classifier", "--resume", "runs/a")):
        result = call(*words)
        assert result.exit_code == 2
        assert result.stderr.startswith("Error: RANK and WORLD_SIZE are set, but MASTER_ADDR and ")
        assert "torchrun --nproc-per-node 2 -m rnn_train" in result.stderr
    assert not Path("runs").exists()


@pytest.mark.parametrize("name", ["--run", "--run-folder"])
def test_names_of_the_run_folder(call: Call, asked: dict[str, Any], name: str) -> None:
    run(call, "charlm", name, "here")
    assert asked["folder"] == Path("here")


@pytest.mark.parametrize("command", ["charlm", "classifier"])
def test_torchrun_passes_every_option(command: str) -> None:
    """torchrun refuses an option of ours that could be the start of two of its own."""
    parser = get_args_parser()
    for option in main.commands[command].params:
        for name in (*option.opts, *option.secondary_opts):
            words = ["-m", "rnn_train", command, name, "value"]
            if name == "--run":
                with pytest.raises(SystemExit):
                    parser.parse_args(words)
            else:
                assert parser.parse_args(words).training_script_args == words[2:]


def test_one_process_of_torchrun(
    call: Call, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    run(call, "charlm")
    assert asked["request"] == CharLMRequest()


# --- whole runs ------------------------------------------------------------------------


def test_classifier_from_start_to_end(call: Call, table: Path) -> None:
    result = call(
        "classifier", "--data", str(table), *QUICK, "--cell", "gru", "--no-pool", "--out", "x.onnx"
    )
    assert result.exit_code == 0, result.output
    assert "wrote x.onnx" in result.output
    assert Path("runs/classifier-1/confusion.png").exists()
    again = call("classifier", "--resume", "runs/classifier-1")
    assert again.exit_code == 0, again.output
    assert "0 steps left" in again.output


@pytest.mark.parametrize(("given", "captures"), [((), True), (("--no-capture",), False)])
def test_whether_steps_are_captured(
    call: Call, story: Path, given: tuple[str, ...], captures: bool
) -> None:
    result = call("charlm", "--data", str(story), *QUICK, *given, "--out", "x.onnx")
    assert result.exit_code == 0, result.output
    with finished_task(Path("runs/charlm-1")) as task:
        objective = task.objective(torch.device("cpu"))
    assert isinstance(objective, CharLMObjective)
    assert objective._capture is captures
