"""Moments to the second and in UTC, as in the security events and the log, so that they can be held against those."""

DATETIME_FORMAT = r"j M Y H:i:s \U\T\C"
