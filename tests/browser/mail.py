"""The mail that the server sends, which lies in a folder here."""

import re
from email import message_from_bytes
from email.policy import default
from pathlib import Path

from tests.interop.processes import wait_until

_SECONDS = 20
_LINK = re.compile(r"https?://\S+")


def link_mailed_to(address: str, folder: Path) -> str:
    """The link in the newest mail to somebody, as soon as there is one; the mail is taken out of the folder."""
    found: list[tuple[Path, str]] = []

    def arrived() -> bool:
        for path in sorted(folder.glob("*"), key=lambda each: each.stat().st_mtime, reverse=True):
            message = message_from_bytes(path.read_bytes(), policy=default)
            body = message.get_body(("plain",))
            link = _LINK.search(body.get_content()) if body is not None and address in str(message["To"]) else None
            if link:
                found.append((path, link[0]))
        return bool(found)

    wait_until(arrived, seconds=_SECONDS, what=f"a mail to {address}")
    path, link = found[0]
    path.unlink()
    return link
