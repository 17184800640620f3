"""The pictures in the documents: `make pictures`."""
