"""Explaining a refusal in bounded time: what a schema costs, and a walk into its failing parts."""
