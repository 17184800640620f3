"""Asking the transit engine of Vault or OpenBao through hvac: settings, token, connections, errors in our words."""

import os
import re
import stat
import threading
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from keys.errors import CustodianNotConfigured, CustodianRefused, CustodianUnreachable

_SECONDS = (2, 5)  # to be connected, and to be answered
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_MOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*", re.ASCII)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Rejected(CustodianRefused):
    """Vault calls what it was asked wrong (400): of a decryption, that the ciphertext doesn't open."""


class Gone(CustodianRefused):
    """Vault has nothing of this name."""


def wrapping_key_name() -> str:
    """The name of the key that wraps.

    Raises:
        CustodianNotConfigured: `IDP_VAULT_KEY` isn't set, or is no name.
    """
    name: str = settings.IDP_VAULT_KEY
    if not _NAME.fullmatch(name):
        raise CustodianNotConfigured(
            "IDP_VAULT_KEY must name the wrapping key of Vault's transit engine with 1 to 64 letters, digits and "
            ". _ -; manage.py make_wrapping_key vault makes it."
        )
    return name


def ask(call: str, **arguments: Any) -> dict[str, Any]:
    """Make one call of the transit engine.

    Arguments:
        call: the method of hvac's Transit class.
        arguments: what it takes.

    Returns:
        The `data` of the answer; empty where there is none.

    Raises:
        Gone, Rejected, CustodianRefused, CustodianUnreachable, CustodianNotConfigured: as said in the message.
    """
    client = _client()
    errors, network = import_module("hvac.exceptions"), import_module("requests.exceptions")
    try:
        answer = getattr(client.secrets.transit, call)(mount_point=settings.IDP_VAULT_MOUNT, **arguments)
    except errors.InvalidRequest as error:
        if any("not found" in str(text) or "no existing key" in str(text) for text in error.errors or ()):
            raise Gone("Vault has no such key.") from error
        raise Rejected("Vault refuses what it was asked (InvalidRequest).") from error
    except errors.InvalidPath as error:
        raise Gone("Vault has no such key, or no transit engine at IDP_VAULT_MOUNT.") from error
    except (errors.Forbidden, errors.Unauthorized, errors.ParamValidationError, errors.UnsupportedOperation) as error:
        raise CustodianRefused(
            f"Vault refuses ({type(error).__name__}): look at the token's policy and whether it has expired."
        ) from error
    except (errors.VaultError, network.RequestException, OSError) as error:
        raise CustodianUnreachable(f"Vault doesn't answer as it should ({type(error).__name__}).") from error
    if getattr(answer, "status_code", 0) == HTTPStatus.NO_CONTENT:  # hvac hands on an answer without a body
        return {}
    if not isinstance(answer, dict) or not isinstance(answer.get("data") or {}, dict):
        raise unexpected()
    return answer.get("data") or {}


def unexpected() -> CustodianUnreachable:
    """What is raised where an answer isn't the documented one: a proxy's page, or a redirect."""
    return CustodianUnreachable("Vault answers something else than it documents.")


class _Connections(threading.local):
    """One client a thread, since the sessions of requests aren't for several."""

    def __init__(self) -> None:
        self.place: tuple[str, str] | None = None
        self.client: Any = None


_connections = _Connections()


def _forget() -> None:
    """A child that was forked must not talk on its parent's connections."""
    global _connections  # noqa: PLW0603  (each process has its own)
    _connections = _Connections()


os.register_at_fork(after_in_child=_forget)


def _client() -> Any:
    try:
        hvac = import_module("hvac")
    except ImportError as error:
        raise CustodianNotConfigured(
            "The custodian 'vault' needs a library: run pip install -r requirements-vault.txt."
        ) from error
    place, token = (_url(), settings.IDP_VAULT_NAMESPACE), _token()
    if not _MOUNT.fullmatch(settings.IDP_VAULT_MOUNT):
        raise CustodianNotConfigured("IDP_VAULT_MOUNT must be the path of a transit engine, such as transit.")
    if _connections.place != place:
        # No redirects: they would take the token to another host. Standbys forward by themselves.
        _connections.client = hvac.Client(
            url=place[0], token=token, namespace=place[1] or None, timeout=_SECONDS, allow_redirects=False
        )
        _connections.place = place
    _connections.client.token = token
    return _connections.client


def _url() -> str:
    url: str = settings.IDP_VAULT_URL
    parts = urlsplit(url)
    if (parts.scheme == "https" and parts.hostname) or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return url
    raise CustodianNotConfigured(
        "IDP_VAULT_URL must be the address of Vault or OpenBao, such as https://vault.example.org:8200; http:// is "
        "for a loopback address alone."
    )


def _token() -> str:
    """The token; a file is read anew for each call, since agents renew what is in it."""
    token, file = settings.IDP_VAULT_TOKEN, settings.IDP_VAULT_TOKEN_FILE
    if bool(token) == bool(file):
        raise CustodianNotConfigured("The custodian 'vault' needs either IDP_VAULT_TOKEN or IDP_VAULT_TOKEN_FILE.")
    if token:
        return str(token)
    try:
        if Path(file).stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
            raise CustodianNotConfigured(
                f"The file {file} in IDP_VAULT_TOKEN_FILE is open to every user of this machine: run chmod o-rw {file}."
            )
        return Path(file).read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise CustodianNotConfigured(f"The file {file} in IDP_VAULT_TOKEN_FILE can't be read.") from error
