"""An index brought up to date with its schema, planned and audited.

``listing`` says what docstore and vector store hold, ``release`` what the quarantines do;
``reindexing`` judges, stamps or embeds, and replaces; ``plan`` and ``audit`` only look.
"""
