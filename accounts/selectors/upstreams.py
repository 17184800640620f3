"""Reading upstream providers and who is linked with them."""

from collections.abc import Sequence
from uuid import UUID

from accounts.models import UpstreamLink, UpstreamProvider, User
from accounts.upstream.terms import ProviderTerms
from keys.api import SealedColumn
from realms.models import Realm

SECRET_COLUMN = SealedColumn("accounts.UpstreamProvider", "client_secret", purpose="upstream client secret")


def enabled_providers(realm: Realm) -> Sequence[UpstreamProvider]:
    """Those that a realm's people may sign in with, by slug; without their secrets."""
    return list(UpstreamProvider.objects.filter(realm=realm, enabled=True).defer("client_secret").order_by("slug"))


def enabled_provider(slug: str, *, realm: Realm) -> UpstreamProvider | None:
    """The one with this slug, or None where there is none or it is switched off."""
    return UpstreamProvider.objects.filter(realm=realm, slug=slug, enabled=True).first()


def provider_of(pk: str, *, realm: Realm) -> UpstreamProvider | None:
    """The one with this primary key that is switched on, or None."""
    return UpstreamProvider.objects.filter(realm=realm, pk=UUID(pk), enabled=True).first()


def link_of(provider: UpstreamProvider, subject: str) -> UpstreamLink | None:
    """Who a subject there is here, with the person; None where nobody."""
    return UpstreamLink.objects.select_related("user").filter(provider=provider, subject=subject).first()


def links_of(person: User, *, realm: Realm) -> Sequence[UpstreamLink]:
    """Whom a person is linked with in a realm, with the providers, by name."""
    links = UpstreamLink.objects.filter(user=person, provider__realm=realm)
    return list(links.select_related("provider").defer("provider__client_secret").order_by("provider__name", "pk"))


def terms_of_provider(provider: UpstreamProvider) -> ProviderTerms:
    """What is decided of a provider."""
    return ProviderTerms(
        name=provider.name,
        issuer=provider.issuer,
        client_id=provider.client_id,
        scopes=tuple(provider.scopes),
        allowed_domains=tuple(provider.allowed_domains),
        enabled=provider.enabled,
        trusts_second_factor=provider.trusts_second_factor,
    )


def callback_address(provider: UpstreamProvider) -> str:
    """Where a provider sends its answers: its redirect URI, one each (RFC 9700 §4.4.2)."""
    return f"{provider.realm.issuer}/upstream/{provider.slug}/callback"
