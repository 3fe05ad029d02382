"""``infer``: a schema inferred from data."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from llm_integrations.core.cli.options import Delimiter, Quotechar

__all__ = ["infer"]


def infer(
    data: Annotated[
        list[str],
        typer.Argument(
            help="JSONL, JSON, CSV, Parquet or Arrow files, their folders or patterns, or URLs."
        ),
    ],
    ranges: Annotated[
        bool, typer.Option("--ranges", help="Say the least and the greatest number as well.")
    ] = False,
    max_enum: Annotated[
        int, typer.Option(help="Words that an enumeration has at the most; 0 writes none.", min=0)
    ] = 10,
    delimiter: Delimiter = None,
    quotechar: Quotechar = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the schema into this file.")
    ] = None,
) -> None:
    """Print a JSON Schema that all records of DATA satisfy, to read and then to register.

    Example: `llm-integrations infer rows.jsonl -o row.json`
    """
    from llm_integrations.core.files import atomic_write
    from llm_integrations.core.inference import infer_files
    from llm_integrations.core.inference.schema import Style
    from llm_integrations.core.tables import CsvDialect
    from llm_integrations.core.tables.files import row_files

    with TemporaryDirectory(prefix="llm-integrations-") as folder:
        style, dialect = Style(ranges, max_enum), CsvDialect(delimiter, quotechar)
        schema = infer_files(row_files(data, Path(folder)).values(), style, dialect)
    text = json.dumps(schema, indent=2, ensure_ascii=False)
    if output is None:
        print(text)
        return
    with atomic_write(output) as stream:
        stream.write(f"{text}\n".encode())
