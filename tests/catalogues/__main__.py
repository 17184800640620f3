"""`python -m tests.catalogues` completes and compiles the catalogues; exit code 1 where translations are missing.

A language is added with a folder of its name in `locale`, and its line in the setting LANGUAGES.
"""

import os
import sys

import django
from babel.messages.catalog import Catalog

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    os.environ.setdefault("DATABASE_URL", "postgres://nobody@localhost/none")  # nobody asks it
    django.setup()
    from tests.catalogues.catalogues import (
        as_source,
        compiled,
        compiled_of,
        completed,
        faults,
        languages,
        read,
        source_of,
    )
    from tests.catalogues.sentences import marked

    left = 0
    for language in languages():
        there = source_of(language).is_file()
        catalogue = completed(read(language) if there else Catalog(locale=language, fuzzy=False), marked())
        source_of(language).parent.mkdir(exist_ok=True)
        source_of(language).write_bytes(as_source(catalogue))
        compiled_of(language).write_bytes(compiled(read(language)))
        found = list(faults(catalogue, marked()))
        left += len(found)
        sys.stdout.writelines(f"{language}: {fault}\n" for fault in found)
    sys.exit(1 if left else 0)
