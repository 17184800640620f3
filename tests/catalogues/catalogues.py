"""Reading, completing and compiling catalogues, the same bytes each time."""

import re
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings

FOLDER = Path(settings.BASE_DIR) / "locale"
_SLOTS = re.compile(r"%\([a-z_]+\)[sd]|%[sd%]|</?[a-z][^>]*>")
_WIDTH = 120


def languages() -> list[str]:
    """Those that there are catalogues of."""
    return sorted(path.name for path in FOLDER.iterdir() if path.is_dir())


def source_of(language: str) -> Path:
    """The catalogue that translators write."""
    return FOLDER / language / "LC_MESSAGES" / "django.po"


def compiled_of(language: str) -> Path:
    """The catalogue that Django reads."""
    return source_of(language).with_suffix(".mo")


def read(language: str) -> Catalog:
    """The catalogue."""
    with source_of(language).open("rb") as file:
        return read_po(file, locale=language)


def completed(catalogue: Catalog, template: Catalog) -> Catalog:
    """The catalogue with all sentences of the sources and no others; what is new has no translation yet."""
    template.creation_date = catalogue.creation_date
    catalogue.update(template, no_fuzzy_matching=True, update_creation_date=False)
    return catalogue


def as_source(catalogue: Catalog) -> bytes:
    """The text that translators write in."""
    catalogue.header_comment = f"# Signet's pages in {catalogue.locale_identifier}; `make catalogues` completes it."
    catalogue.project, catalogue.version = "Signet", ""
    catalogue.last_translator = catalogue.language_team = catalogue.msgid_bugs_address = "Signet"
    out = BytesIO()
    write_po(out, catalogue, width=_WIDTH, sort_output=True, ignore_obsolete=True, include_lineno=False)
    return out.getvalue()


def compiled(catalogue: Catalog) -> bytes:
    """What Django reads."""
    out = BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def faults(catalogue: Catalog, template: Catalog) -> Iterator[str]:
    """What is wrong with a catalogue, a line a sentence."""
    there = {_identity(message) for message in catalogue if message.id}
    wanted = {_identity(message) for message in template if message.id}
    yield from (f"not in the catalogue: {sentence}" for sentence in sorted(wanted - there))
    yield from (f"no longer in the sources: {sentence}" for sentence in sorted(there - wanted))
    for message in catalogue:
        if message.id:
            yield from (f"{found}: {_identity(message)}" for found in _wrong_with(message, catalogue.num_plurals))


def _wrong_with(message: Message, plurals: int) -> Iterator[str]:
    originals = message.id if isinstance(message.id, tuple) else (message.id,)
    forms = message.string if isinstance(message.string, tuple) else (message.string,)
    if not all(forms) or len(forms) != (plurals if isinstance(message.id, tuple) else 1):
        yield "not translated"
        return
    if message.fuzzy:
        yield "only guessed (fuzzy)"
    for number, form in enumerate(forms):
        # The form for one may leave the number out, as the English one may.
        original = originals[min(number, len(originals) - 1)]
        if _slots(str(form)) != _slots(str(original)):
            yield f"other placeholders or marks in form {number}"


def _slots(text: str) -> Counter[str]:
    return Counter(_SLOTS.findall(text))


def _identity(message: Message) -> str:
    first = message.id[0] if isinstance(message.id, tuple) else message.id
    return f"{message.context}: {first}" if message.context else str(first)
