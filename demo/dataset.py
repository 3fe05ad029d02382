"""A data set split into what fits its schema and what does not, with the reasons."""

from __future__ import annotations

import time

from datasets import Dataset
from rich.table import Table

from demo.flights import flights
from demo.stage import Stage
from llm_integrations.datasets import validate_dataset


def run(stage: Stage) -> None:
    with stage.step("datasets: 336,776 real flights, valid rows here, the others set aside"):
        dataset = Dataset(flights())
        started = time.perf_counter()
        result = validate_dataset(
            dataset, "flight@1", registry=stage.registry, quarantine=stage.folder / "quarantine"
        )
        took = time.perf_counter() - started
        report = result.report
        stage.say(
            f"{report.total:,} rows = [green]{report.valid:,} valid[/] + "
            f"[red]{report.invalid:,} set aside[/], in {took:.1f} s"
        )
        table = Table("rows", "reason", box=None)
        for reason, count in report.reasons.most_common(6):
            table.add_row(f"{count:,}", reason)
        stage.say(table)
        stage.files["flights set aside"] = stage.folder / "quarantine"
