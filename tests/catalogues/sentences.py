"""Every sentence that the sources mark for translation, in Python and in templates."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from django.conf import settings
from django.utils.translation.template import templatize

APPS = ("realms", "audit", "keys", "accounts", "tokens", "idp_project")
_ROOT = Path(settings.BASE_DIR)
_PLAIN = {"gettext": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2), "npgettext": ((1, "c"), 2, 3), "_": None}
_KEYWORDS: dict[str, Any] = {
    **_PLAIN,
    **{f"{name}_{kind}": where for name, where in _PLAIN.items() for kind in ("lazy", "noop")},
}


def marked() -> Catalog:
    """All of them, each with the files where it stands."""
    found = Catalog(project="Signet", fuzzy=False)
    for path, source in _sources():
        for _line, message, _comments, context in extract("python", BytesIO(source.encode()), _KEYWORDS):
            found.add(message, locations=[(path, 0)], context=context)
    return found


def _sources() -> Iterator[tuple[str, str]]:
    """Python, and templates as the Python that Django makes of them for this purpose."""
    for app in APPS:
        for path in sorted((_ROOT / app).rglob("*.py")):
            yield str(path.relative_to(_ROOT)), path.read_text(encoding="utf-8")
    for path in sorted((_ROOT / "templates").rglob("*.*")):
        made = templatize(path.read_text(encoding="utf-8"), origin=str(path))
        # What is no sentence is a row of X; where a line begins means nothing, and would be an error of Python's.
        yield str(path.relative_to(_ROOT)), "\n".join(line.lstrip() for line in made.splitlines())
