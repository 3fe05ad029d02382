"""Keys that no two rows may have, in one process and over many."""
