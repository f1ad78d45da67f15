"""Programs that embed the package: zipped, isolated, optimized, without a home or a console."""

import os
import shutil
import subprocess
import sys
import textwrap
import zipapp
from pathlib import Path

import pytest

import rnn_infer

PACKAGE = Path(rnn_infer.__file__).parent
MAIN = """
import importlib.resources
import rnn_infer
assert ".pyz" in rnn_infer.__file__, rnn_infer.__file__
model = importlib.resources.files("models").joinpath("charlm.onnx")
print(rnn_infer.load(model, device="cpu").generate("ab", length=20, seed=1), end="")
"""


@pytest.fixture(scope="module")
def expected(data: Path) -> str:
    model = rnn_infer.CharLM.load(data / "charlm.onnx", device="cpu")
    return model.generate("ab", length=20, seed=1)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A zip archive of the package, a model and a main program."""
    home = tmp_path_factory.mktemp("program")
    source = home / "source"
    shutil.copytree(PACKAGE, source / "rnn_infer", ignore=shutil.ignore_patterns("__pycache__"))
    (source / "models").mkdir()
    (source / "models" / "__init__.py").touch()
    shutil.copy(data / "charlm.onnx", source / "models")
    (source / "__main__.py").write_text(MAIN)
    zipapp.create_archive(source, home / "program.pyz")
    return home / "program.pyz"


def run(*command: str, **kwargs: object) -> str:
    done = subprocess.run(  # type: ignore[call-overload]
        [sys.executable, "-W", "error", *command],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        **kwargs,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return str(done.stdout)


@pytest.mark.parametrize("options", [(), ("-I",), ("-OO",), ("-I", "-O", "-B")], ids="/".join)
def test_zipped_program(program: Path, expected: str, options: tuple[str, ...]) -> None:
    assert run(*options, str(program)) == expected


def test_machine_without_a_home(program: Path, expected: str, tmp_path: Path) -> None:
    """Nothing is written. onnxruntime's telemetry would make a device id in the home folder."""
    nowhere = str(tmp_path / "missing")
    bare = {"HOME": nowhere, "USERPROFILE": nowhere, "XDG_CACHE_HOME": nowhere, "TMPDIR": nowhere}
    kept = {key: os.environ[key] for key in ("PATH", "SYSTEMROOT") if key in os.environ}
    work = tmp_path / "work"
    work.mkdir()
    before = program.stat().st_mtime_ns
    assert run(str(program), env=bare | kept, cwd=work) == expected
    assert not list(work.iterdir())
    assert not Path(nowhere).exists()
    assert program.stat().st_mtime_ns == before


def test_program_without_a_console(data: Path, expected: str, tmp_path: Path) -> None:
    """A window program has no standard streams: they are None.

    The library works. A command whose result has nowhere to go says so by its exit code.
    """
    code = f"""
        import sys
        from pathlib import Path
        streams = sys.stdin, sys.stdout, sys.stderr
        sys.stdin = sys.stdout = sys.stderr = None
        import rnn_infer
        model = rnn_infer.load({str(data / "charlm.onnx")!r}, device="cpu")
        Path("text").write_text(model.generate("ab", length=20, seed=1), "utf-8")
        from rnn_infer.cli import main
        results = []
        for command in (
            ["show", "--model", {str(data / "charlm.onnx")!r}],
            ["generate", "--model", {str(data / "charlm.onnx")!r}, "--length", "5"],
            ["classify", "--model", {str(data / "classifier.onnx")!r}, "Rossi"],
            ["classify", "--model", "missing.onnx", "Rossi"],
        ):
            try:
                main(command)
            except SystemExit as stop:
                results.append(stop.code)
        sys.stdin, sys.stdout, sys.stderr = streams
        print(results)
    """
    assert run("-c", textwrap.dedent(code), cwd=tmp_path).strip() == "[1, 1, 1, 1]"
    assert (tmp_path / "text").read_text("utf-8") == expected


@pytest.mark.parametrize(("given", "kept"), [({}, "1"), ({"ORT_DISABLE_TELEMETRY": "0"}, "0")])
def test_telemetry_is_off_unless_the_user_says_otherwise(
    data: Path, given: dict[str, str], kept: str
) -> None:
    code = f"""
        import os
        import rnn_infer
        rnn_infer.load({str(data / "charlm.onnx")!r}, device="cpu")
        print(os.environ["ORT_DISABLE_TELEMETRY"])
    """
    own = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    assert run("-c", textwrap.dedent(code), env=own | given).strip() == kept
