"""How Django writes dates and times, a package a language (the setting FORMAT_MODULE_PATH)."""
