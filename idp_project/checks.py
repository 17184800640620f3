"""System checks that span apps: what is refused before the server starts, with an id and what to change."""

import ipaddress
import os
import re
from collections.abc import Iterator, Sequence
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004  (Django's)
from django.db.utils import OperationalError, ProgrammingError

from accounts.addresses import is_loopback
from accounts.errors import NameRefused
from accounts.names import check_email
from keys.api import Purpose
from keys.selectors import rings
from realms.models import Realm
from realms.selectors import all_realms
from tokens.handles import MAX_EPOCH

_ISSUER = re.compile(r"[a-z]+://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
MAX_ISSUER = 100  # it stands twice in every access token, which stays below 1 KB
_SECRET_KEY_CHARACTERS = 50
_FEWEST_DISTINCT = 10
_MOST_HASHES = 64


@register(Tags.security)
def issuer_is_sound(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """signet.E001 and signet.E002: the issuer is an address that every verifier reads alike."""
    found: list[CheckMessage] = []
    try:
        issuer = urlsplit(settings.IDP_ISSUER)
        host, _port = issuer.hostname, issuer.port
    except ValueError:
        return [Error("IDP_ISSUER is no address: give one such as https://id.example.org.", id="signet.E002")]
    if issuer.scheme != "https" and not (issuer.scheme == "http" and is_loopback(host)):
        found.append(
            Error(
                "IDP_ISSUER must begin with https://, since whoever can change what is fetched from it can "
                "forge tokens; http:// is for a loopback address alone.",
                id="signet.E001",
            )
        )
    if not _ISSUER.fullmatch(settings.IDP_ISSUER) or len(settings.IDP_ISSUER) > MAX_ISSUER:
        found.append(
            Error(
                f"IDP_ISSUER must be a scheme, a host and perhaps a port, of {MAX_ISSUER} characters at most, "
                f"without a path, a query, a fragment or a user name: give one such as https://id.example.org.",
                id="signet.E002",
            )
        )
    return found


@register(Tags.security)
def secret_key_is_long(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """signet.E003: the secret key can't be guessed. Django only warns, and only on deployment."""
    key = settings.SECRET_KEY
    if len(key) >= _SECRET_KEY_CHARACTERS and len(set(key)) >= _FEWEST_DISTINCT:
        return []
    return [
        Error(
            f"IDP_SECRET_KEY must have {_SECRET_KEY_CHARACTERS} random characters at least: make one with "
            f"openssl rand -base64 48.",
            id="signet.E003",
        )
    ]


@register(Tags.security)
def proxies_are_networks(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """signet.E004: nobody is trusted by mistake to say where a request came from."""
    return [
        Error(
            f"IDP_TRUSTED_PROXIES holds {text!r}, which is neither an IP address nor a network such as "
            f"10.0.0.0/8; everybody (*, 0.0.0.0/0) can't be trusted, or nobody is limited.",
            id="signet.E004",
        )
        for text in settings.IDP_TRUSTED_PROXIES
        if not _is_bounded_network(text)
    ]


def _is_bounded_network(text: str) -> bool:
    try:
        return ipaddress.ip_network(text).prefixlen > 0
    except ValueError:
        return False


@register(Tags.security, deploy=True)
def operators_prove_a_second_factor(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """signet.W001: a password alone doesn't open the admin, and with it the whole installation."""
    if settings.IDP_ADMIN_SECOND_FACTOR:
        return []
    return [
        Warning(
            "IDP_ADMIN_SECOND_FACTOR is off, so an operator's password alone opens the admin: leave it out, or set it "
            "to true.",
            id="signet.W001",
        )
    ]


@register(Tags.security)
def numbers_are_in_range(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """signet.E005 and signet.E006: the epoch fits into a handle, and passwords can be hashed."""
    found: list[CheckMessage] = []
    if not 0 <= settings.IDP_HANDLE_EPOCH <= MAX_EPOCH:
        found.append(
            Error(f"IDP_HANDLE_EPOCH must lie between 0 and {MAX_EPOCH}: set it into that range.", id="signet.E005")
        )
    if not 1 <= settings.IDP_PASSWORD_HASHES_IN_FLIGHT <= _MOST_HASHES:
        found.append(
            Error(
                f"IDP_PASSWORD_HASHES_IN_FLIGHT must lie between 1 and {_MOST_HASHES}, since each hash takes "
                f"19 MiB: set it into that range.",
                id="signet.E006",
            )
        )
    return found


@register(Tags.security)
def mail_can_be_sent(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """signet.E011: mails come from an address that can be answered by name."""
    try:
        sender = check_email(parseaddr(settings.DEFAULT_FROM_EMAIL)[1])
        sound = sender != "" and settings.DEFAULT_FROM_EMAIL.isprintable()
    except NameRefused:
        sound = False
    if sound or not settings.IDP_CAN_MAIL:
        return []
    return [Error("IDP_EMAIL_FROM is no address: give one such as no-reply@example.org.", id="signet.E011")]


@register(Tags.security, deploy=True)
def somebody_gets_mail(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """signet.W011: people can confirm addresses and choose another password."""
    if settings.IDP_CAN_MAIL:
        return []
    return [
        Warning(
            "IDP_EMAIL_URL is not set: nobody can confirm an address, choose another password by mail or be invited; "
            "give an address such as smtp+tls://user:password@mail.example.org:587.",
            id="signet.W011",
        )
    ]


@register(Tags.security)
def breaches_can_be_asked(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """signet.E012: the list of breached passwords is there, one at most, and nobody reads along."""
    file, url = settings.IDP_BREACHED_PASSWORDS_FILE, settings.IDP_BREACHED_PASSWORDS_URL
    found: list[CheckMessage] = []
    if file and url:
        found.append(
            Error(
                "IDP_BREACHED_PASSWORDS_FILE and IDP_BREACHED_PASSWORDS_URL are both set: keep one.", id="signet.E012"
            )
        )
    if file and not os.access(file, os.R_OK):
        found.append(Error("IDP_BREACHED_PASSWORDS_FILE can't be read: give a file that is there.", id="signet.E012"))
    if url and not _is_https_or_here(url):
        found.append(
            Error("IDP_BREACHED_PASSWORDS_URL must begin with https://, or name this machine.", id="signet.E012")
        )
    return found


def _is_https_or_here(text: str) -> bool:
    try:
        address = urlsplit(text)
        host = address.hostname
    except ValueError:
        return False
    return bool(host) and (address.scheme == "https" or (address.scheme == "http" and is_loopback(host)))


@register(Tags.database)
def lifetimes_fit_the_keys(
    app_configs: Any,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """signet.E007 and signet.E008: no realm promises a token that its keys may not vouch for."""
    if not databases:
        return []
    try:
        return [error for realm in all_realms() for error in _lifetime_faults(realm)]
    except (OperationalError, ProgrammingError):
        return []  # away or not migrated yet: the server's start says so itself


def _lifetime_faults(realm: Realm) -> Iterator[CheckMessage]:
    for ring in rings(realm=realm.slug).filter(retired_at=None):
        if ring.purpose == Purpose.SIGN and realm.access_token_lifetime > ring.max_token_lifetime:
            yield Error(
                f"Realm {realm.slug}: access tokens live for {realm.access_token_lifetime}, and the ring {ring} "
                f"signs for {ring.max_token_lifetime} at most: raise the ring's longest token lifetime.",
                id="signet.E007",
            )
        if ring.purpose == Purpose.MAC and realm.refresh_absolute_lifetime > ring.max_token_lifetime:
            yield Error(
                f"Realm {realm.slug}: refresh tokens live for {realm.refresh_absolute_lifetime}, and the ring "
                f"{ring} tags for {ring.max_token_lifetime} at most: raise the ring's longest token lifetime.",
                id="signet.E008",
            )
