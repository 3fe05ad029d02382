"""Processes that are forked from a server which has imported LlamaIndex and its helpers once.

That takes longer than most of them do. One server stands behind all tests of a process.
"""

from __future__ import annotations

import multiprocessing

__all__ = ["PROCESSES"]

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        f"tests.support.{name}"
        for name in ("rag_persist_worker", "rag_replicas", "rag_swap_worker", "rag_worker")
    ]
)
