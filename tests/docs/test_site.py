"""The site builds without a warning, and says what the code says."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import rnn_infer
import rnn_infer.cli
import rnn_train
import rnn_train.cli
from tests.docs.code_blocks import PAGES, ROOT

pytestmark = pytest.mark.xdist_group("site")  # one worker: the site is built once


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. A warning, such as a broken link, ends the build."""
    pytest.importorskip("mkdocs", reason="the docs extra is not installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", os.fspath(folder)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.parametrize("package", [rnn_infer, rnn_train])
def test_reference_has_every_public_name(site: Path, package: object) -> None:
    name = getattr(package, "__name__", "")
    text = (site / "reference" / f"{name}.html").read_text("utf-8")
    public = [each for each in getattr(package, "__all__", ()) if each != "__version__"]
    assert public
    assert [each for each in public if f'id="{name}.{each}"' not in text] == []


def _options(group: click.Command) -> Iterator[tuple[str, str]]:
    assert isinstance(group, click.Group)
    for name, command in group.commands.items():
        for each in command.params:
            for option in each.opts if isinstance(each, click.Option) else ():
                yield name, option


@pytest.mark.parametrize("package", [rnn_infer, rnn_train])
def test_reference_has_every_option(site: Path, package: object) -> None:
    text = (site / "reference" / "commands.html").read_text("utf-8")
    program = getattr(package, "__name__", "").replace("_", "-")
    main = getattr(package, "cli").main  # noqa: B009
    pairs = list(_options(main))
    assert len(pairs) > 20
    for command, option in pairs:
        start = text.index(f'id="{program}-{command}"')
        end = text.find("<h3", start + 1)
        assert f"<code>{option}</code>" in text[start:end], (command, option)


def test_pages_load_nothing_from_outside(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        loaded = re.findall(r'<(?:script|img|link|iframe)[^>]*(?:src|href)="(https?:[^"]*)"', text)
        assert loaded == [], page


def test_every_family_stands_on_the_architecture_page(site: Path) -> None:
    text = (site / "architecture.html").read_text("utf-8")
    for package in ("rnn_infer", "rnn_train"):
        for folder in (ROOT / package).iterdir():
            if (folder / "__init__.py").exists():
                assert f"<code>{package}.{folder.name}</code>" in text, folder


@pytest.mark.parametrize("page", PAGES)
def test_named_files_exist(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    named = re.findall(r"`((?:[\w-]+/)+[\w.-]*(?:\.py|/))`", text)
    homes = (ROOT, ROOT / "rnn_infer", ROOT / "rnn_train")
    made = ("runs/", "site/")
    missing = [
        name
        for name in named
        if not name.startswith(made) and not any((home / name).exists() for home in homes)
    ]
    assert missing == []


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < 150
