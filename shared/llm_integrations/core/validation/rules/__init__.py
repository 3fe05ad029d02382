"""The rules that stand beside a schema: which are judged, how, and within which bounds.

``rule_book`` sorts the rules and judges by them, ``condition`` is one CEL expression, ``engine``
compiles and runs it, ``syntax_tree`` and ``cost`` tell beforehand what it can take, ``formats`` are
the functions that Confluent adds to CEL, ``ruled_validator`` asks them once the schema accepted.
"""
