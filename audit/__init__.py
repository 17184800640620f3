"""Security events: append-only rows with opaque ids and no foreign keys."""
