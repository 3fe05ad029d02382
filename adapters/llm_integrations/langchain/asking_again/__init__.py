"""Asking a model for what a schema says, again where its answer was not that."""
