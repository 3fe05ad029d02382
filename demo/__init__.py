"""The main job, on the embedded registry: ``make demo``."""
