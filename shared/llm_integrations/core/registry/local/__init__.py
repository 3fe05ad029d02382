"""Registries in this process: in memory, and in a folder (``file``)."""
