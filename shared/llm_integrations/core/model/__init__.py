"""Values below everything else: schemas, references to them, fingerprints, events."""
