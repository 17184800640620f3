"""Signing in with an upstream provider: away to it, back from it, and who that is here (OpenID Connect Core §3.1).

Nothing is locked and no transaction is open while the provider is asked.
"""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from django.conf import settings
from django.db import transaction

from accounts.acr import FEDERATED, SECOND_FACTOR
from accounts.errors import SignInRefused, UpstreamRefused
from accounts.models import Membership, UpstreamLink, UpstreamProvider, User
from accounts.selectors import SESSION_LIFETIME
from accounts.selectors.upstreams import callback_address, link_of
from accounts.services.personal import personal_key, record_about, sealed_key_of
from accounts.services.sign_in import SignedIn, record_proof
from accounts.services.upstreams import client_secret_of
from accounts.upstream.browser import Departure
from accounts.upstream.discovery import ProviderMetadata, auth_method
from accounts.upstream.http import redeem, upstreams, userinfo
from accounts.upstream.identity import UpstreamIdentity, identity_in, proved_at, with_userinfo
from accounts.upstream.messages import Secrets, Wishes, authorization_address, code_in, token_request
from accounts.whereabouts import Whereabouts
from audit.vocabulary import EventName

_BYTES = 32
_LEAST = timedelta(hours=1)  # that a session of ours has before it, since it counts from the proof at the provider
_LONGEST = int((SESSION_LIFETIME - _LEAST).total_seconds())
_AFRESH = "login"


def depart(
    provider: UpstreamProvider,
    *,
    prompt: str = "",
    max_age: int | None = None,
    login_hint: str = "",
    ui_locales: str = "",
    following: str = "",
    now: datetime,
) -> tuple[str, Departure]:
    """Where the browser goes, and what it has to hold until it comes back.

    Arguments:
        prompt, max_age, login_hint, ui_locales: as /authorize was asked; both of the first have a proof that
            is old, or of which nobody knows how old, refused later.
        following: where the sign-in leads to in the end; checked before.
        now: aware time.

    Raises:
        UpstreamAway, UpstreamRefused: the provider can't be had, or not be used.
    """
    metadata = upstreams.metadata(provider.issuer, loopback=settings.IDP_PLAIN_HTTP)
    auth_method(metadata, has_secret=provider.client_secret is not None)
    afresh = prompt == _AFRESH
    allowed = 0 if afresh else min(_LONGEST if max_age is None else max_age, _LONGEST)
    bound = Secrets(*(secrets.token_urlsafe(_BYTES) for _ in range(3)))
    address = authorization_address(
        metadata,
        client_id=provider.client_id,
        redirect_uri=callback_address(provider),
        scopes=provider.scopes,
        secrets=bound,
        wishes=Wishes(max_age=allowed, prompt=prompt, login_hint=login_hint, ui_locales=ui_locales),
    )
    departure = Departure(
        provider=str(provider.pk),
        secrets=bound,
        following=following,
        at=now.timestamp(),
        max_age=allowed,
        certainly=afresh or max_age is not None,
    )
    return address, departure


def identify(
    provider: UpstreamProvider, departure: Departure, answer: Mapping[str, str], *, now: datetime
) -> UpstreamIdentity:
    """Who the provider says that it is, once its answer is verified.

    Arguments:
        provider: the one that the browser left for.
        departure: taken from the browser by the answer's state.
        answer: the parameters of `messages.ANSWER`.
        now: aware time.

    Raises:
        UpstreamDeclined: it signed nobody in.
        UpstreamAway, UpstreamRefused: it can't be asked, or not be trusted.
        MissingMasterSecret, SealBroken: the client secret can't be unsealed.
    """
    loopback = settings.IDP_PLAIN_HTTP
    metadata = upstreams.metadata(provider.issuer, loopback=loopback)
    code = code_in(answer, metadata=metadata)
    secret = client_secret_of(provider)
    headers, body = token_request(
        code,
        method=auth_method(metadata, has_secret=bool(secret)),
        client_id=provider.client_id,
        secret=secret,
        redirect_uri=callback_address(provider),
        code_verifier=departure.secrets.code_verifier,
    )
    with upstreams.place(provider.issuer, loopback=loopback):
        tokens = redeem(metadata, headers, body)
        token = upstreams.verified(tokens.id_token, issuer=provider.issuer, loopback=loopback)
        identity = identity_in(
            token.claims,
            algorithm=token.algorithm,
            issuer=provider.issuer,
            client_id=provider.client_id,
            nonce=departure.secrets.nonce,
            access_token=tokens.access_token,
            now=now,
        )
        return _with_address(identity, provider, metadata, tokens.access_token)


def admit(
    provider: UpstreamProvider,
    departure: Departure,
    identity: UpstreamIdentity,
    *,
    whereabouts: Whereabouts,
    now: datetime,
) -> SignedIn | None:
    """Who a verified identity is here, if they may sign in.

    Arguments:
        provider: with its realm.
        departure: says how old the proof may be.
        whereabouts: where the person is, for the audit.
        now: aware time.

    Returns:
        None where it belongs to nobody here yet.

    Raises:
        SignInRefused: its address may not, or the person is disabled or no member; the text is for the audit.
        UpstreamTooOld: the proof is older than was asked for, or nobody knows how old.
    """
    if provider.allowed_domains and identity.domain not in provider.allowed_domains:
        _refuse("upstream_address", provider, None, whereabouts, now=now)
    link = link_of(provider, identity.subject)
    since = datetime.fromtimestamp(departure.at, UTC) - timedelta(seconds=departure.max_age)
    ended = link.user.signed_out_at if link is not None else None
    at = proved_at(identity, since=since, certainly=departure.certainly, not_before=ended, now=now)
    if link is None:
        return None
    person = link.user
    membership = Membership.objects.filter(user=person, realm=provider.realm).first()
    if membership is None:
        _refuse("not_a_member", provider, person, whereabouts, now=now)
    if not person.is_active:
        _refuse("disabled", provider, person, whereabouts, now=now)
    mfa = provider.trusts_second_factor and identity.second_factor
    methods = (FEDERATED, SECOND_FACTOR) if mfa else (FEDERATED,)
    with transaction.atomic():
        UpstreamLink.objects.filter(pk=link.pk).update(last_used_at=now)
        key = personal_key(person, now=now)
        slug = provider.slug
        record_proof(
            person, methods, realm=provider.realm, now=now, whereabouts=whereabouts, sealed_key=key, upstream=slug
        )
    return SignedIn(person, tuple(membership.roles), at, methods)


def _with_address(
    identity: UpstreamIdentity, provider: UpstreamProvider, metadata: ProviderMetadata, access_token: str
) -> UpstreamIdentity:
    """With the address from userinfo, where it decides something and the ID token doesn't tell it."""
    if identity.email or not provider.allowed_domains:
        return identity
    if not metadata.userinfo_endpoint:
        raise UpstreamRefused("It tells no verified address, neither in the ID token nor at an userinfo endpoint.")
    return with_userinfo(identity, userinfo(metadata, access_token))


def _refuse(
    fault: str, provider: UpstreamProvider, person: User | None, whereabouts: Whereabouts, *, now: datetime
) -> NoReturn:
    """Write the refusal, which stays, and raise it; where it came from is kept for somebody who has a key."""
    record_about(
        person,
        whereabouts,
        EventName.SIGN_IN_REFUSED,
        realm=provider.realm.slug,
        actor="",
        target=person.subject if person else "",
        now=now,
        sealed_key=sealed_key_of(person) if person else None,
        details={"fault": fault, "upstream": provider.slug},
    )
    raise SignInRefused(fault)
