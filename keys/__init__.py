"""Signing keys that rotate by a timetable. Knows nothing of OAuth."""
