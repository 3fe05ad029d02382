"""A plan at work: batches, threads, reasons, and the rows set aside."""
