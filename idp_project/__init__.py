"""The project: settings, URLs and what ties the apps together."""
