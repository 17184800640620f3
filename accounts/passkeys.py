"""Passkeys: what a browser is asked for, and whether its answer holds (Web Authentication Level 3 §7).

The library checks type, challenge, relying party, presence, verification and signature. What it leaves open is
checked here and in `accounts/passkey_answers.py`: the one origin, the algorithm, whose the passkey is.
"""

import ipaddress
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from fido2.cose import ES256, RS256, EdDSA
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestationConveyancePreference,
    AttestedCredentialData,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialParameters,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from accounts.acr import KEY, PRESENCE, SECOND_FACTOR
from accounts.errors import ClaimRefused, NameRefused, PasskeyRefused
from accounts.passkey_answers import Asserted, Attested
from accounts.profile import check_name

CHALLENGE_LIFETIME = timedelta(minutes=5)
CHALLENGE_BYTES = 32
MAX_NAME = 100  # characters, of a passkey's name
ALGORITHMS: tuple[int, ...] = (ES256.ALGORITHM, EdDSA.ALGORITHM, RS256.ALGORITHM)  # the one liked best first
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Whom passkeys are made for: the installation, since people are the installation's (§5.4.2).

    Attributes:
        id: a host name; a passkey works there and below, and nowhere else.
        origin: of the pages, and the one that an answer may come from.
    """

    id: str
    origin: str


@dataclass(frozen=True, slots=True)
class KnownPasskey:
    """What the browser is told of a passkey that there is.

    Attributes:
        credential_id: its id.
        transports: by which it can be reached.
    """

    credential_id: bytes
    transports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PasskeyProof:
    """What an answer proved.

    Attributes:
        methods: how (RFC 8176, `amr`).
        sign_count: how often the authenticator says that it signed; nought where it doesn't count.
    """

    methods: tuple[str, ...]
    sign_count: int


def relying_party(issuer: str) -> RelyingParty | None:
    """Whom passkeys are made for.

    Arguments:
        issuer: of the installation, from its settings and never from a request.

    Returns:
        None where browsers make no passkeys: at a bare IP address, and by plain HTTP elsewhere than at localhost.
    """
    parts = urlsplit(issuer)
    host = parts.hostname or ""
    if not host or _is_address(host) or (parts.scheme != "https" and not _is_localhost(host)):
        return None
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return RelyingParty(host, f"{parts.scheme}://{host}{port}")


def _is_localhost(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def check_passkey_name(text: str) -> str:
    """The name that a person gives a passkey, without white space around it.

    Raises:
        NameRefused: it is empty or too long, or has characters that can't be seen.
    """
    name = text.strip()
    if not name or len(name) > MAX_NAME:
        raise NameRefused(f"A passkey's name has 1 to {MAX_NAME} characters.")
    try:
        return check_name(name)
    except ClaimRefused as error:
        raise NameRefused("A passkey's name has no line breaks and no control characters.") from error


def creation_options(
    party: RelyingParty,
    *,
    realm_name: str,
    subject: str,
    username: str,
    shown_name: str,
    known: Sequence[KnownPasskey],
    challenge: bytes,
) -> Mapping[str, Any]:
    """What to ask a browser for that is to make a passkey, as JSON (§5.1.8).

    It has to be one that is found without a user name. Whether the device knows its user isn't demanded here: a
    passkey of one that doesn't is a second factor all the same.

    Arguments:
        realm_name: shown by some browsers.
        subject: of the person; the authenticator keeps it.
        username, shown_name: that the person tells their passkeys apart by.
        known: those that they have, so that no authenticator makes another.
        challenge: for this answer alone.
    """
    options, _state = _server(party, realm_name).register_begin(
        PublicKeyCredentialUserEntity(id=subject.encode(), name=username, display_name=shown_name or username),
        credentials=_descriptors(known),
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.PREFERRED,
        challenge=challenge,
    )
    return _members(options.public_key)


def request_options(
    party: RelyingParty, *, known: Sequence[KnownPasskey] | None, alone: bool, challenge: bytes
) -> Mapping[str, Any]:
    """What to ask a browser for that is to use a passkey, as JSON (§5.1.9).

    Arguments:
        known: of the person; None where nobody knows who they are yet.
        alone: whether nothing else is proved, so that the device has to verify its user.
        challenge: for this answer alone.
    """
    options, _state = _server(party).authenticate_begin(
        credentials=None if known is None else _descriptors(known),
        user_verification=_verification(alone=alone),
        challenge=challenge,
    )
    return _members(options.public_key)


def check_attested(answer: Attested, *, party: RelyingParty, challenge: bytes) -> None:
    """Check the answer to the wish for a new passkey (§7.1).

    Arguments:
        party: whom it has to be made for.
        challenge: that it has to answer.

    Raises:
        PasskeyRefused: it doesn't hold.
    """
    state = _state(challenge, UserVerificationRequirement.PREFERRED)
    try:
        _server(party).register_complete(state, answer.response)
    except ValueError as error:
        raise PasskeyRefused("wrong_passkey", str(error)) from error


def check_asserted(
    answer: Asserted,
    *,
    party: RelyingParty,
    challenge: bytes,
    credential: bytes,
    backup_eligible: bool,
    subject: str,
    alone: bool,
) -> PasskeyProof:
    """Check the answer of a passkey (§7.2), all but its counter.

    Arguments:
        party: whom it has to be made for.
        challenge: that it has to answer.
        credential: attested credential data, with the public key.
        backup_eligible: as it was when it was made; it never changes.
        subject: whose it is.
        alone: whether nothing else is proved: then the device has to have verified its user, and to say who it is.

    Raises:
        PasskeyRefused: it doesn't hold.
    """
    if answer.user_handle != subject.encode() and (alone or answer.user_handle is not None):
        raise PasskeyRefused("wrong_passkey", "Another person's user handle, or none.")
    data = answer.response.response.authenticator_data
    if data.is_backup_eligible() != backup_eligible:
        raise PasskeyRefused("wrong_passkey", "It can be backed up now, or can't any more.")
    state = _state(challenge, _verification(alone=alone))
    try:
        _server(party).authenticate_complete(state, [AttestedCredentialData(credential)], answer.response)
    except ValueError as error:
        raise PasskeyRefused("wrong_passkey", str(error)) from error
    verified = (SECOND_FACTOR,) if data.is_user_verified() else ()
    return PasskeyProof((KEY, PRESENCE, *verified), data.counter)


def _server(party: RelyingParty, name: str = "") -> Fido2Server:
    server = Fido2Server(
        PublicKeyCredentialRpEntity(name=name, id=party.id),
        attestation=AttestationConveyancePreference.NONE,
        verify_origin=lambda origin: origin == party.origin,
    )
    server.timeout = int(CHALLENGE_LIFETIME.total_seconds() * 1_000)  # type: ignore[assignment]  # its type says None
    server.allowed_algorithms = [
        PublicKeyCredentialParameters(type=PublicKeyCredentialType.PUBLIC_KEY, alg=each) for each in ALGORITHMS
    ]
    return server


def _verification(*, alone: bool) -> UserVerificationRequirement:
    return UserVerificationRequirement.REQUIRED if alone else UserVerificationRequirement.DISCOURAGED


def _state(challenge: bytes, verification: UserVerificationRequirement) -> Mapping[str, str]:
    return {"challenge": _websafe(challenge), "user_verification": verification}


def _descriptors(known: Sequence[KnownPasskey]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            type=PublicKeyCredentialType.PUBLIC_KEY,
            id=each.credential_id,
            transports=[AuthenticatorTransport(name) for name in each.transports] or None,
        )
        for each in known
    ]


def _members(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: _as_json(value[key]) for key in value}


def _as_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _members(value)
    if isinstance(value, list | tuple):
        return [_as_json(each) for each in value]
    return _websafe(value) if isinstance(value, bytes) else value


def _websafe(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
