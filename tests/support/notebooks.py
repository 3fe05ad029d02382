"""Notebooks that are run: ``python -m tests.support.notebooks [NAME …]`` keeps what they show.

One kernel runs them all, for a start with all the frameworks takes longer than most notebooks;
each has a namespace, an environment and a folder of its own. What is kept holds nothing of a
machine or a moment: no folders, no warnings, no progress bars.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

__all__ = ["NOTEBOOKS", "forms", "kernel", "run"]

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
SECONDS = 90

_ANEW = """
import os
os.chdir({folder!r})
get_ipython().reset()
import os
if not hasattr(os, "_at_first"):
    os._at_first = dict(os.environ)
os.environ.clear()
os.environ.update(os._at_first)
"""
_WIDGET = "application/vnd.jupyter.widget-view+json"
_FOLDER = re.compile(r"(?:/[\w.-]+)*/tmp[\w.-]*(?:/[\w.-]+)*")


@contextmanager
def kernel(folder: Path) -> Iterator[NotebookClient]:
    """What ``run`` takes; the frameworks' own files go into the folder."""
    environment = dict(os.environ) | {
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(folder / "hf"),
        "IPYTHONDIR": str(folder / "ipython"),
    }
    client = NotebookClient(
        nbformat.v4.new_notebook(),  # type: ignore[no-untyped-call]
        timeout=SECONDS,
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
    )
    with client.setup_kernel(env=environment):
        yield client


def run(client: NotebookClient, path: Path, folder: Path) -> Any:
    """The notebook as it stands after a run in a folder.

    Raises:
        CellExecutionError: of a cell that fails.
    """
    anew = nbformat.v4.new_code_cell(_ANEW.format(folder=str(folder)))  # type: ignore[no-untyped-call]
    _execute(client, nbformat.v4.new_notebook(cells=[anew]), store_history=False)  # type: ignore[no-untyped-call]
    notebook: Any = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    _execute(client, notebook)
    notebook.metadata.language_info = {"name": "python"}
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = _joined(_kept(output) for output in cell.outputs if _is_kept(output))
    return notebook


def _execute(client: NotebookClient, notebook: Any, *, store_history: bool = True) -> None:
    client.nb = notebook
    client.reset_execution_trackers()
    for number, cell in enumerate(notebook.cells):
        client.execute_cell(cell, number, store_history=store_history)


def forms(notebook: Any) -> list[list[tuple[str, list[str]]]]:
    """What each cell shows, by its forms: texts, tables, pictures."""
    return [
        [(output.output_type, sorted(output.get("data", ()))) for output in cell.get("outputs", ())]
        for cell in notebook.cells
    ]


def _is_kept(output: Any) -> bool:
    return output.get("name") != "stderr" and _WIDGET not in output.get("data", ())


def _kept(output: Any) -> Any:
    if "text" in output:
        output.text = _FOLDER.sub("…", output.text)
    for form, shown in output.get("data", {}).items():
        if form.startswith("text/"):
            output.data[form] = _FOLDER.sub("…", shown)
    return output


def _joined(outputs: Iterable[Any]) -> list[Any]:
    """Printed text in one piece: where it was cut, a warning had come between."""
    joined: list[Any] = []
    for output in outputs:
        if joined and output.output_type == joined[-1].output_type == "stream":
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def main(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as own, kernel(Path(own)) as client:
        for path in NOTEBOOKS:
            if not names or path.stem in names:
                with tempfile.TemporaryDirectory() as folder:
                    shown = run(client, path, Path(folder))
                nbformat.write(shown, path)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main(sys.argv[1:])
