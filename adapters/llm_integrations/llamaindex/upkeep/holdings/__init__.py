"""What an index holds, and where.

``documents`` are those of the docstore, or of a loader; ``release`` reads the quarantines;
``listing`` says what docstore and vector store hold at one moment. ``forgetting`` erases from all.
"""
