"""The one reader of JSON Schema: documents, drafts, pointers, references."""
