"""Nulls that count as missing properties: where they may, and taking them away."""
