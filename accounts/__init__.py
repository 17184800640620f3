"""People: who they are, what they are in which realm, and how they prove it."""
