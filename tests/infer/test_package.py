"""What the package is from outside: light to import, alone, typed, and of one face."""

import ast
import inspect
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import rnn_infer
from rnn_infer import errors

PACKAGE = Path(rnn_infer.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
TRAINING = ("torch", "onnx", "rnn_train", "onnxscript", "matplotlib", "sklearn", "tqdm")
DEPENDENCIES = {"numpy", "onnxruntime", "google", "click"}


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_is_light() -> None:
    loaded = python("import sys, rnn_infer; print(*sys.modules)").split()
    assert "rnn_infer" in loaded
    assert not {*TRAINING, "click"} & set(loaded)
    assert not [name for name in loaded if name.partition(".")[0] in TRAINING]


def test_command_line_needs_nothing_of_training() -> None:
    loaded = python("import sys, rnn_infer.cli; print(*sys.modules)").split()
    assert "click" in loaded
    assert not set(TRAINING) & set(loaded)


def test_models_run_where_training_is_not_installed(data: Path) -> None:
    code = f"""
import sys
for name in {(*TRAINING, "click")!r}:
    sys.modules[name] = None  # an import of it fails
import rnn_infer
lm = rnn_infer.load({str(data / "charlm.onnx")!r}, device="cpu")
assert len(lm.generate("abc", length=20, seed=1)) == 20
session = lm.session(restore=lm.session(seed=2).save())
assert len("".join(session.stream(10))) == 10
assert lm.score("abcd").characters == 3
print(rnn_infer.load({str(data / "gru.onnx")!r}, device="cpu").classify("Rossi").label)
"""
    assert python(code).strip() in ("Danish", "French", "German", "Greek", "Polish")


def imported(path: Path) -> set[str]:
    """Top-level packages a module imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found.add(str(node.module).partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"rnn_infer"}


def is_command_line(path: Path) -> bool:
    """Modules of the command line: they alone may use click, and the library none of them."""
    return path.parent.name == "cli" or path.stem == "__main__"


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(PACKAGE)) for path in MODULES])
def test_module_imports_what_it_may(path: Path) -> None:
    command = is_command_line(path)
    assert imported(path) <= DEPENDENCIES - (set() if command else {"click"})
    assert command or "rnn_infer.cli" not in path.read_text()


def test_public_names() -> None:
    names = rnn_infer.__all__
    assert names == sorted(names)
    assert len(set(names)) == len(names)
    for name in names:
        found = getattr(rnn_infer, name)
        assert found.__module__.partition(".")[0] == "rnn_infer"
        assert (found.__doc__ or "").strip()


def test_every_error_is_public() -> None:
    ours = [
        each
        for each in vars(errors).values()
        if inspect.isclass(each) and issubclass(each, Exception)
    ]
    assert len(ours) >= 8
    for each in ours:
        assert issubclass(each, rnn_infer.RnnInferError)
        assert each.__name__ in rnn_infer.__all__


def test_what_public_methods_give_is_public() -> None:
    for name in rnn_infer.__all__:
        owner = getattr(rnn_infer, name)
        if not inspect.isclass(owner):
            continue
        for key, member in inspect.getmembers(owner, inspect.isfunction):
            if key.startswith("_"):
                continue
            given = typing.get_type_hints(member).get("return")
            for kind in {given, *typing.get_args(given)}:
                if getattr(kind, "__module__", "").startswith("rnn_infer"):
                    assert kind.__name__ in rnn_infer.__all__, (name, key)


def test_public_functions_say_what_they_do() -> None:
    for name in rnn_infer.__all__:
        owner = getattr(rnn_infer, name)
        members = inspect.getmembers(owner, inspect.isroutine) if inspect.isclass(owner) else []
        for key, member in [(name, owner), *members]:
            if not key.startswith("_") and getattr(member, "__module__", "") != "builtins":
                assert inspect.getdoc(member), (name, key)


def test_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


def test_version() -> None:
    assert all(part.isdecimal() for part in rnn_infer.__version__.split("."))
