"""`make run`: from a bare checkout to a provider that serves, in one command. Not for production."""
