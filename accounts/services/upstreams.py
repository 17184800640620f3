"""Upstream providers and who is linked with them: made, changed and ended, by operators and by people."""

import re
import uuid
from collections.abc import Collection
from dataclasses import fields
from datetime import datetime
from enum import Enum

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.errors import LinkTaken, ProviderRefused, ProviderTaken
from accounts.models import UpstreamLink, UpstreamProvider, User
from accounts.selectors.upstreams import SECRET_COLUMN, link_of, terms_of_provider
from accounts.upstream.terms import ProviderTerms, faults, secret_fault
from audit.services import Details, record, record_each
from audit.vocabulary import EventName
from keys import api
from realms.models import SLUG_PATTERN, Realm


class Keep(Enum):
    """In the place of a client secret: the one that is stored stays, or there stays none."""

    SECRET = "secret"  # noqa: S105


def refuse_faults(terms: ProviderTerms, *, secret: str | Keep | None = Keep.SECRET) -> None:
    """Hold what an operator decides against the rules.

    Raises:
        ProviderRefused: a sentence a fault.
    """
    found = [sentence for _name, sentence in faults(terms, loopback=settings.IDP_PLAIN_HTTP)]
    if isinstance(secret, str) and (why := secret_fault(secret)):
        found.append(why)
    if found:
        raise ProviderRefused(" ".join(found))


def create_provider(
    *, realm: Realm, slug: str, terms: ProviderTerms, secret: str | None, actor: str, now: datetime
) -> UpstreamProvider:
    """Make an upstream provider.

    Arguments:
        slug: in its addresses here; it never changes.
        terms: what is decided of it.
        secret: of this realm's client there; None for a public client. It is sealed, and never shown again.
        actor: opaque id of who does it, for the audit.
        now: aware time of the change.

    Raises:
        ProviderRefused: the terms break a rule.
        ProviderTaken: the realm has one of this slug.
        KeysError: the secret can't be sealed.
    """
    if not re.fullmatch(SLUG_PATTERN, slug):
        raise ProviderRefused("A slug has 1 to 63 small letters, digits and hyphens, and no hyphen at an end.")
    refuse_faults(terms, secret=secret)
    provider = UpstreamProvider(id=uuid.uuid4(), realm=realm, slug=slug, created_at=now, **_columns(terms))
    provider.client_secret = _sealed(provider, secret)
    try:
        with transaction.atomic():
            provider.save(force_insert=True)
            record(EventName.UPSTREAM_CREATED, realm=realm.slug, actor=actor, target=slug, now=now)
    except IntegrityError as error:
        raise ProviderTaken(f"The realm {realm.slug!r} has an upstream provider {slug!r} already.") from error
    return provider


def change_provider(
    provider: UpstreamProvider, *, terms: ProviderTerms, secret: str | Keep | None, actor: str, now: datetime
) -> UpstreamProvider:
    """Change what is decided of a provider; where nothing differs, nothing is written.

    Arguments:
        provider: its row.
        terms: as it shall be. The issuer never changes: the links are to people of that one.
        secret: another one, None to have none any more, or `Keep.SECRET`.
        actor, now: as for `create_provider`.

    Raises:
        ProviderRefused: the terms break a rule, or name another issuer.
        KeysError: the secret can't be sealed.
    """
    refuse_faults(terms, secret=secret)
    if terms.issuer != provider.issuer:
        raise ProviderRefused("The issuer never changes: make another upstream provider.")
    before, changed = terms_of_provider(provider), _columns(terms)
    told = sorted(name for name, value in changed.items() if getattr(before, name) != getattr(terms, name))
    changed = {name: changed[name] for name in told}
    if not isinstance(secret, Keep) and (secret is not None or provider.client_secret is not None):
        changed["client_secret"] = _sealed(provider, secret)
        told.append("client_secret")
    if not changed:
        return provider
    with transaction.atomic():
        UpstreamProvider.objects.filter(pk=provider.pk).update(**changed)
        details: Details = {"fields": " ".join(sorted(told)), "enabled": terms.enabled}
        record(
            EventName.UPSTREAM_CHANGED,
            realm=provider.realm.slug,
            actor=actor,
            target=provider.slug,
            now=now,
            details=details,
        )
    provider.refresh_from_db()
    return provider


def delete_providers(providers: Collection[UpstreamProvider], *, actor: str, now: datetime) -> None:
    """Delete providers with all their links. Nobody is signed out by this.

    Arguments:
        actor, now: as for `create_provider`.
    """
    targets = [(each.realm.slug, each.slug, {"issuer": each.issuer}) for each in providers]
    with transaction.atomic():
        record_each(EventName.UPSTREAM_DELETED, targets=targets, actor=actor, now=now)
        UpstreamProvider.objects.filter(pk__in=[each.pk for each in providers]).delete()


def client_secret_of(provider: UpstreamProvider) -> str:
    """The client secret, unsealed; "" for a public client. It goes to the token endpoint and nowhere else.

    Raises:
        MissingMasterSecret, SealBroken: it can't be unsealed.
    """
    if provider.client_secret is None:
        return ""
    return api.unseal(bytes(provider.client_secret), column=SECRET_COLUMN, row=str(provider.pk)).decode("ascii")


def link(*, provider: UpstreamProvider, subject: str, person: User, now: datetime) -> UpstreamLink:
    """Take a subject of a provider for a person. The caller made sure that both have just signed in.

    Two who want the same at once are told apart by the database.

    Arguments:
        subject: from a verified ID token.
        person: a member of the provider's realm.
        now: aware time of the change.

    Raises:
        LinkTaken: the subject is somebody else's, or the person is linked with another one there.
    """
    try:
        with transaction.atomic():
            made = UpstreamLink.objects.create(provider=provider, user=person, subject=subject, created_at=now)
            _record_link(EventName.UPSTREAM_LINKED, provider, person, actor=f"user:{person.subject}", now=now)
    except IntegrityError as error:
        found = link_of(provider, subject)
        if found is not None and found.user_id == person.pk:  # sent twice
            return found
        raise LinkTaken("The identity or the person is linked already.") from error
    return made


def unlink(links: Collection[UpstreamLink], *, actor: str, now: datetime) -> int:
    """End links. Nobody is signed out by this.

    Arguments:
        links: with their providers, realms and people.
        actor, now: as for `create_provider`.

    Returns:
        How many were there yet.
    """
    with transaction.atomic():
        wanted = [each.pk for each in links]
        standing = set(UpstreamLink.objects.select_for_update().filter(pk__in=wanted).values_list("pk", flat=True))
        targets = [
            (each.provider.realm.slug, each.user.subject, {"upstream": each.provider.slug})
            for each in links
            if each.pk in standing
        ]
        record_each(EventName.UPSTREAM_UNLINKED, targets=targets, actor=actor, now=now)
        UpstreamLink.objects.filter(pk__in=standing).delete()
    return len(standing)


def _record_link(name: EventName, provider: UpstreamProvider, person: User, *, actor: str, now: datetime) -> None:
    details = {"upstream": provider.slug}
    record(name, realm=provider.realm.slug, actor=actor, target=person.subject, now=now, details=details)


def _columns(terms: ProviderTerms) -> dict[str, object]:
    found = {column.name: getattr(terms, column.name) for column in fields(ProviderTerms)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def _sealed(provider: UpstreamProvider, secret: str | None) -> bytes | None:
    if secret is None:
        return None
    return api.seal(secret.encode("ascii"), column=SECRET_COLUMN, row=str(provider.pk))
