"""The weekly job of docs/drift.md, run as it is written: cron, Kubernetes and Actions."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from llm_integrations.core.cli.app import app
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry import connect

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "drift.md").read_text("utf-8")
DRIFTED, SAME, BROKEN = 1, 0, 2


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with schemas, data and their baseline, and the programs that the job calls."""
    monkeypatch.chdir(tmp_path)
    with connect(tmp_path / "schemas") as registry:
        registry.register("training-row", {"type": "object"})
    (tmp_path / "data").mkdir()
    for name, shift in (("latest", 0), ("moved", 50)):
        lines = "".join(f'{{"n": {n * 7 % 100 + shift}}}\n' for n in range(300))
        (tmp_path / "data" / f"{name}.jsonl").write_text(lines)
    program(tmp_path, "mail", 'printf "%s\\n" "$@" >mailed; cat >>mailed')
    shutil.copy(ROOT / "docs" / "examples" / "drift" / "weekly.sh", tmp_path)
    saved = "drift data/latest.jsonl training-row@latest --save -r schemas/"
    assert CliRunner().invoke(app, saved.split()).exit_code == SAME
    return tmp_path


def runs_once(folder: Path, command: str, code: int) -> None:
    """Run a command whose ``llm-integrations`` ends with this code, as the real one does with the
    same arguments, of which a process each would take too long."""
    report = {SAME: "# No drift", DRIFTED: "# Drift: values moved"}.get(code, "")
    program(
        folder,
        "llm-integrations",
        f"""printf '%s\\n' "$@" >called
        for last; do if [ "$before" = --report ]; then mkdir -p "$last" && out=$last; fi
        before=$last; done
        if [ {code} != 2 ]; then echo '{report}' >"$out/drift.md"; else echo "$2: unread" >&2; fi
        exit {code}""",
    )
    assert shell(folder, command) == code
    arguments = (folder / "called").read_text().splitlines()
    result = CliRunner().invoke(app, arguments)
    failed = isinstance(result.exception, ConfigurationError)
    assert (BROKEN if failed else result.exit_code) == code


def program(folder: Path, name: str, line: str) -> None:
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def shell(folder: Path, command: str, **more: str) -> int:
    environment = {
        **os.environ,
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        **more,
    }
    return subprocess.run(["/bin/sh", "-c", command], cwd=folder, env=environment).returncode


def block(language: str, heading: str) -> str:
    found = re.search(rf"### {heading}\n```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def changed(command: str, data: str, folder: Path) -> str:
    """The command of the page, for the data and folders of this test."""
    for place in ("data/latest.parquet", "/data/latest.parquet"):
        command = command.replace(place, f"data/{data}.jsonl")
    return command.replace("/srv/training", str(folder)).replace("/data/", "data/")


@pytest.mark.parametrize(
    ("data", "code", "subject"),
    [("latest", SAME, ""), ("moved", DRIFTED, "training-row@latest drifted"),
     ("nowhere", BROKEN, "training-row@latest: no drift check")],
)  # fmt: skip
def test_cron_mails_drift_and_failed_checks_and_nothing_else(
    work: Path, data: str, code: int, subject: str
) -> None:
    (work / "reports").mkdir()
    (work / "reports" / "drift.md").write_text("last week's report")
    line = block("cron", "cron").split(None, 5)[5]
    runs_once(work, changed(line, data, work), code)
    if not subject:
        assert not (work / "mailed").exists()
        return
    mailed = (work / "mailed").read_text()
    assert mailed.splitlines()[1].startswith(subject)
    assert mailed.splitlines()[2] == "team-data@example.org"
    assert f"data/{data}.jsonl" in mailed
    assert "last week" not in mailed
    assert ("# Drift" in mailed) == (code == DRIFTED)
    assert ("nowhere.jsonl" in mailed) == (code == BROKEN)


@pytest.mark.parametrize(("data", "code"), [("latest", SAME), ("moved", DRIFTED), ("no", BROKEN)])
def test_a_job_of_kubernetes_fails_where_data_drifted_or_no_check_was_made(
    work: Path, data: str, code: int
) -> None:
    job: Any = yaml.safe_load(block("yaml", "Kubernetes"))
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {v["name"] for v in pod["volumes"]} == {m["name"] for m in container["volumeMounts"]}
    words: list[str] = [*container["command"], *container["args"]]
    names = {"/data/latest.parquet": f"data/{data}.jsonl", "/schemas": "schemas", "/reports": "out"}
    command = shlex.join(names.get(word, word) for word in words)
    runs_once(work, command, code)
    assert (work / "out" / "drift.html").exists() == (code != BROKEN), "as the real one wrote it"


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        ("latest", SAME, "# No drift"),
        ("moved", DRIFTED, "# Drift"),
        ("no", BROKEN, "No drift check"),
    ],
)
def test_a_workflow_of_github_shows_the_report_or_that_there_is_none(
    work: Path, data: str, code: int, said: str
) -> None:
    flow: Any = yaml.safe_load(block("yaml", "GitHub Actions"))
    steps = flow["jobs"]["drift"]["steps"]
    check = next(step for step in steps if step.get("run", "").startswith("llm-integrations"))
    runs_once(work, changed(check["run"], data, work), code)
    assert (work / "out" / "drift.md").exists() == (code != BROKEN)
    show = next(step for step in steps if "GITHUB_STEP_SUMMARY" in step.get("run", ""))
    assert show["if"] == "always()"
    assert shell(work, show["run"], GITHUB_STEP_SUMMARY=str(work / "summary")) == 0
    assert (work / "summary").read_text().startswith(said)
