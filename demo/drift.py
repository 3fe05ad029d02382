"""Rows at the speed of their columns; the quarantine looked into; drift drawn as plots."""

from __future__ import annotations

import time

import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset
from rich.markup import escape
from rich.table import Table

from demo.flights import flights
from demo.stage import Stage
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.datasets import SchemaMap, detect_drift, save_baseline


def run(stage: Stage) -> None:
    table = flights()
    _columns(stage, table)
    _quarantine(stage)
    _drift(stage, table)


def _columns(stage: Stage, table: pa.Table) -> None:
    with stage.step("The same flights, judged column by column"):
        judge = SchemaMap("flight@1", stage.registry)
        started = time.perf_counter()
        valid = pc.sum(judge.keep(table)).as_py()
        took = time.perf_counter() - started
        stage.say(
            f"{table.num_rows:,} rows in [green]{took * 1000:.0f} ms[/], "
            f"{table.num_rows / took / 1e6:.1f} million a second; {valid:,} are valid"
        )


def _quarantine(stage: Stage) -> None:
    folder = stage.folder / "quarantine"
    if not folder.is_dir():
        return
    with stage.step("What was set aside can be looked into, and comes back when a schema relaxes"):
        quarantine = Quarantine(folder)
        shown = Table("row", "flight", "reason", box=None)
        for record, _ in zip(quarantine.records(), range(4), strict=False):
            row = record.value
            name = f"{row['carrier']} {row['flight']} {row['origin']}–{row['dest']}"
            shown.add_row(str(record.position), name, escape(str(record.errors[0])))
        stage.say(shown)


def _drift(stage: Stage, table: pa.Table) -> None:
    with stage.step("Did the data drift? Summer against a baseline made in winter"):
        save_baseline(_months(table, 1, 2), "flight@1", registry=stage.registry)
        report = detect_drift(
            _months(table, 6, 7), "flight@1", registry=stage.registry, ignore=["month", "day"]
        )
        shown = Table("column", "distance", "limit", box=None)
        for column in report.columns[:5]:
            worst = max(column.measures, key=lambda m: abs(m.value) / m.threshold)
            colour = "red" if column.drifted else "green"
            value = f"[{colour}]{worst.value:.3f}[/] {worst.name}"
            shown.add_row(escape(column.name), value, f"{worst.threshold:.3f}")
        stage.say(shown)
        paths = report.write(stage.folder / "drift")
        stage.say("[dim]`llm-integrations drift` does this weekly, with an exit code.[/]")
        stage.files["drift, with plots"] = paths["html"]


def _months(table: pa.Table, *months: int) -> Dataset:
    return Dataset(table.filter(pc.is_in(table["month"], value_set=pa.array(months))))
