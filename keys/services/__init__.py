"""Writing keys: every transaction of this app opens here, locks the ring first, and records what it did."""
