"""The package from outside: light to import, independent, typed, with a fixed list of names."""

import ast
import inspect
import re
import subprocess
import sys
import textwrap
import typing
from itertools import zip_longest
from pathlib import Path

import pytest

import rnn_infer
from rnn_infer import errors

PACKAGE = Path(rnn_infer.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
TRAINING = ("torch", "onnx", "rnn_train", "onnxscript", "matplotlib", "sklearn", "tqdm")
DEPENDENCIES = {"numpy", "onnxruntime", "google", "click"}


def python(code: str) -> str:
    """Run code in a fresh interpreter, and return what it prints."""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_is_light() -> None:
    loaded = python("import sys, rnn_infer; print(*sys.modules)").split()
    assert "rnn_infer" in loaded
    assert not {*TRAINING, "click", "asyncio", "pandas", "pyarrow", "polars"} & set(loaded)
    assert not [name for name in loaded if name.partition(".")[0] in TRAINING]


def test_command_line_does_not_import_training() -> None:
    loaded = python("import sys, rnn_infer.cli; print(*sys.modules)").split()
    assert "click" in loaded
    assert not set(TRAINING) & set(loaded)


def test_models_run_without_the_training_packages(data: Path) -> None:
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
    """Return the top-level packages that a module imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found.add(str(node.module).partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"rnn_infer"}


def is_command_line(path: Path) -> bool:
    """Return whether a module is part of the command line. Only such modules may use click."""
    return path.parent.name == "cli" or path.stem == "__main__"


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(PACKAGE)) for path in MODULES])
def test_module_imports_only_what_it_may(path: Path) -> None:
    command = is_command_line(path)
    assert imported(path) <= DEPENDENCIES - (set() if command else {"click"})
    assert command or "rnn_infer.cli" not in path.read_text()


def test_list_of_public_names() -> None:
    """A change of this list is a change of the public API: see the docstring of `rnn_infer`."""
    assert rnn_infer.__all__ == [
        "CharLM",
        "Classifier",
        "DeviceError",
        "Generation",
        "LabelProbability",
        "LoadOptions",
        "Metadata",
        "ModelFileError",
        "NextChar",
        "OptionError",
        "PicklingError",
        "PoolFullError",
        "PoolStream",
        "Prediction",
        "RnnInferError",
        "RuntimeMissingError",
        "Sampling",
        "Score",
        "Session",
        "SnapshotError",
        "StreamPool",
        "Table",
        "TableError",
        "TableOptions",
        "UnknownCharacterError",
        "WrongKindError",
        "load",
    ]


def test_every_other_name_is_private() -> None:
    """Beside the public names, the package has only its submodules."""
    code = (
        "import rnn_infer, types;"
        "print(*[name for name, value in vars(rnn_infer).items() if name[0] != '_'"
        " and not isinstance(value, types.ModuleType)])"
    )
    assert sorted(python(code).split()) == rnn_infer.__all__
    modules = {name for name, value in vars(rnn_infer).items() if inspect.ismodule(value)}
    ours = {path.stem if path.stem != "__init__" else path.parent.name for path in MODULES}
    assert modules <= ours


def test_docstring_says_what_is_public() -> None:
    text = inspect.getdoc(rnn_infer)
    assert text is not None
    assert "Semantic versioning" in text
    assert "private" in text


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


def test_types_that_public_methods_return_are_public() -> None:
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


def sentence(text: str | None) -> bool:
    """Return whether a docstring starts with a sentence."""
    first = (text or "").strip().partition("\n\n")[0]
    return first[:1].isupper() and first.endswith((".", ":"))


@pytest.mark.parametrize("name", rnn_infer.__all__)
def test_public_name_is_documented(name: str) -> None:
    owner = getattr(rnn_infer, name)
    assert owner.__module__.partition(".")[0] == "rnn_infer"
    assert sentence(owner.__doc__), name
    if not inspect.isclass(owner):
        return
    fields = inspect.get_annotations(owner)
    for key, member in list(vars(owner).items()):
        if key.startswith("_") or key in fields:
            continue
        if isinstance(member, property):
            assert sentence(member.__doc__), key
        elif inspect.isroutine(member):
            assert sentence(inspect.getdoc(member)), key


@pytest.mark.parametrize("name", rnn_infer.__all__)
def test_public_attribute_is_documented(name: str) -> None:
    """Each annotated attribute of a public class has a docstring right after it."""
    owner = getattr(rnn_infer, name)
    if not inspect.isclass(owner):
        return
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    assert isinstance(node, ast.ClassDef)
    for each, after in zip_longest(node.body, node.body[1:]):
        if isinstance(each, ast.AnnAssign):
            assert isinstance(after, ast.Expr), (name, ast.unparse(each))
            assert isinstance(after.value, ast.Constant)
            assert sentence(str(after.value.value)), (name, ast.unparse(each))


@pytest.mark.parametrize("name", rnn_infer.__all__)
def test_public_parameter_is_documented(name: str) -> None:
    """The docstring of a public function names each parameter, or the function that explains it."""
    owner = getattr(rnn_infer, name)
    functions = vars(owner) if inspect.isclass(owner) else {name: owner}
    for key, member in functions.items():
        function = member.__func__ if isinstance(member, classmethod) else member
        if key.startswith("_") or not inspect.isfunction(function):
            continue
        for parameter in inspect.signature(function).parameters:
            if parameter not in ("self", "cls"):
                found = re.search(rf"\b{parameter}\b", function.__doc__ or "")
                assert found, (name, key, parameter)


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(PACKAGE)) for path in MODULES])
def test_module_has_a_test_file(path: Path) -> None:
    """A test file stands in the same folder under `tests/infer`."""
    folder = Path(__file__).parent / path.parent.relative_to(PACKAGE)
    names = {"__init__": "package", "__main__": "main"}
    name = f"test_{names.get(path.stem, path.stem)}.py"
    if path.stem in names:
        folder = Path(__file__).parent
    assert (folder / name).is_file()


def test_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


def test_version() -> None:
    assert all(part.isdecimal() for part in rnn_infer.__version__.split("."))
