"""Proofs that every instance of one schema satisfies another, keyword by keyword."""
