"""Verdicts and reasons in bounded time.

``growth`` counts what a schema can cost. Where the engine cannot list its errors in time,
``descent`` looks for them by the ``plan`` of each subschema; where it cannot even judge in time,
``remembering`` does.
"""
