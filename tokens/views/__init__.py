"""The HTTP skin: thin views over flows that know nothing of the web framework."""
