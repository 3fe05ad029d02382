"""Inferring a JSON Schema from data."""

from llm_integrations.core.inference.data import infer_files, infer_rows, infer_tables

__all__ = ["infer_files", "infer_rows", "infer_tables"]
