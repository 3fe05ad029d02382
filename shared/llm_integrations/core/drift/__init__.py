"""Drift of data against a baseline: profiles, distances, reports."""

from __future__ import annotations

from llm_integrations.core.drift.compare import compare_profiles
from llm_integrations.core.drift.detect import (
    BaselineOptions,
    DriftOptions,
    baseline_of,
    baselines_of,
    check_data,
    detect,
    detect_in,
    for_tables,
    is_profile,
    keep_baseline,
)
from llm_integrations.core.drift.labels import Labels
from llm_integrations.core.drift.limits import ColumnLimits, DriftLimits, read_limits
from llm_integrations.core.drift.profile import Categories, ColumnProfile, Numbers, Profile
from llm_integrations.core.drift.profiling import profile_tables, sketch_tables
from llm_integrations.core.drift.report import Anomaly, ColumnDrift, DriftReport, Measure
from llm_integrations.core.drift.sketches.data import ProfileSketch
from llm_integrations.core.drift.store import BaselineStore
from llm_integrations.core.drift.thresholds import DriftThresholds

__all__ = [
    "Anomaly",
    "BaselineOptions",
    "BaselineStore",
    "Categories",
    "ColumnDrift",
    "ColumnLimits",
    "ColumnProfile",
    "DriftLimits",
    "DriftOptions",
    "DriftReport",
    "DriftThresholds",
    "Labels",
    "Measure",
    "Numbers",
    "Profile",
    "ProfileSketch",
    "baseline_of",
    "baselines_of",
    "check_data",
    "compare_profiles",
    "detect",
    "detect_in",
    "for_tables",
    "is_profile",
    "keep_baseline",
    "profile_tables",
    "read_limits",
    "sketch_tables",
]
