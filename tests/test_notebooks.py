"""Every notebook runs from top to bottom, offline, and is committed with what it shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.notebooks import NOTEBOOKS, forms, kernel, run


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookClient]:
    with kernel(tmp_path_factory.mktemp("kernel")) as client:
        yield client


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_it_is_committed_with(
    path: Path, tmp_path: Path, client: NotebookClient
) -> None:
    shown = run(client, path, tmp_path)
    again = "`make notebooks` writes it anew"
    assert forms(shown) == forms(read(path)), again
    # So that it runs again in the same folder, and leaves nothing for somebody to find.
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_something_and_nothing_of_a_machine(path: Path) -> None:
    notebook = read(path)
    assert any(cell.get("outputs") for cell in notebook.cells)
    text = path.read_text(encoding="utf-8")
    assert "/tmp" not in text.replace("/tmp/demo", "")
    assert len(text) < 400_000
