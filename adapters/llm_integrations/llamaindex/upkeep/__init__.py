"""An index brought up to date with its schema, planned and audited.

``holdings`` says what docstore, vector store and quarantines have, ``reindexing`` judges, stamps or
embeds, and replaces; ``swapping`` has that done on a copy. ``plan`` and ``audit`` only look.
"""
