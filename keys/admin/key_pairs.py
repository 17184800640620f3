"""Keys in the admin: every date and the public half, to look at. The private half never leaves the database."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods

from audit.selectors import events_about
from keys.admin.compromise_page import compromise_page
from keys.algorithms import ALGORITHMS, Purpose
from keys.jwk import thumbprint_uri
from keys.models import KeyPair
from keys.overview import STATE_WORDS
from keys.selectors import in_state, timetable_of, without_private_halves
from keys.templatetags.signet_keys import badge
from keys.timetable import KeyState, state_at
from realms.narrowed_lists import NarrowedLists
from realms.spans import in_words, roughly

_EVENTS_SHOWN = 50
_SHORT_KID = 12
_FIRST_MEMBERS = ("kty", "kid", "use", "alg")  # the rest is the key itself


def _moment(column: str, label: str) -> Callable[[Any, KeyPair], SafeString | str]:
    """A column with a date: the moment to the second, and how far away it is."""

    @admin.display(description=label, ordering=column)
    def shown(_admin: Any, key: KeyPair) -> SafeString | str:
        moment = getattr(key, column)
        if moment is None:
            return "–"
        return format_html(
            '<time datetime="{}">{} UTC</time> <span class="away">{}</span>',
            moment.isoformat(),
            f"{moment:%d %b %Y %H:%M:%S}",
            _away(key, moment),
        )

    return shown


def _away(key: KeyPair, moment: datetime) -> str:
    """How far away a moment is; what a compromise came before never happens."""
    if key.compromised_at is not None and moment > key.compromised_at:
        return "void, since it was compromised before"
    now = timezone.now()
    return f"in {roughly(moment - now)}" if moment > now else f"{roughly(moment - now)} ago"


def _date(column: str, label: str) -> Callable[[Any, KeyPair], str]:
    """A column of the list with a date, unless a compromise or a withdrawal came before it."""

    @admin.display(description=label, ordering=column)
    def shown(_admin: Any, key: KeyPair) -> str:
        taken_out, moment = key.compromised_at or key.withdrawn_at, getattr(key, column)
        is_void = moment is None or (taken_out is not None and taken_out <= moment)
        return "–" if is_void else f"{moment:%d %b %Y}"

    return shown


class StateFilter(admin.SimpleListFilter):
    """Where the clock stands on a key's timetable."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002  (Django's)
        """Every state."""
        return [(state.value, STATE_WORDS[state]) for state in KeyState]

    def queryset(self, request: HttpRequest, queryset: QuerySet[KeyPair]) -> QuerySet[KeyPair]:  # noqa: ARG002
        """The keys in this state at present."""
        if self.value() not in [state.value for state in KeyState]:
            return queryset
        return queryset.filter(in_state(KeyState(str(self.value())), timezone.now()))


class _RingFilter(admin.SimpleListFilter):
    """A column of the ring, by values that are known: another value is passed over."""

    column = ""
    values: tuple[str, ...] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Every value."""
        return [(value, value) for value in self.values]

    def queryset(self, request: HttpRequest, queryset: QuerySet[KeyPair]) -> QuerySet[KeyPair]:  # noqa: ARG002
        """The keys of such rings."""
        return queryset.filter(**{self.column: self.value()}) if self.value() in self.values else queryset


class PurposeFilter(_RingFilter):
    """What the ring is for."""

    title = parameter_name = "purpose"
    column = "ring__purpose"
    values = tuple(Purpose)


class AlgorithmFilter(_RingFilter):
    """The `alg` of the ring."""

    title = parameter_name = "algorithm"
    column = "ring__algorithm"
    values = tuple(row.name for row in ALGORITHMS)


@admin.register(KeyPair)
class KeyPairAdmin(NarrowedLists):
    """Read-only; a key can be declared compromised, and nothing else."""

    list_display = ("short_kid", "ring_link", "state", "starts_at", "stops_at")
    list_display_links = ("short_kid",)
    list_filter = (StateFilter, "ring__realm", PurposeFilter, AlgorithmFilter)
    search_fields = ("kid",)
    search_help_text = "Part of a kid."
    ordering = ("ring__realm__slug", "ring_id", "-activates_at")
    actions = None
    change_form_template = "admin/keys/keypair/key.html"
    fieldsets = (
        (None, {"fields": ("kid", "ring_link", "algorithm", "state", "lifetime", "custodian")}),
        (
            "Timetable",
            {
                "fields": (
                    "created", "published", "activates", "deactivates", "unpublishes", "compromised", "withdrawn",
                    "destroyed",
                )
            },
        ),
        ("Public half", {"fields": ("thumbprint", "public_half")}),
    )  # fmt: skip
    readonly_fields = (
        "kid", "ring_link", "algorithm", "state", "lifetime", "custodian", "created", "published", "activates",
        "deactivates", "unpublishes", "compromised", "withdrawn", "destroyed", "public_half", "thumbprint",
    )  # fmt: skip

    starts_at = _date("activates_at", "signs from")
    stops_at = _date("deactivates_at", "signs until")
    created = _moment("created_at", "made")
    published = _moment("published_at", "published from")
    activates = _moment("activates_at", "signs from")
    deactivates = _moment("deactivates_at", "signs until")
    unpublishes = _moment("unpublishes_at", "published until")
    compromised = _moment("compromised_at", "compromised")
    withdrawn = _moment("withdrawn_at", "withdrawn")
    destroyed = _moment("destroyed_at", "private half wiped")

    def get_queryset(self, request: HttpRequest) -> QuerySet[KeyPair]:  # noqa: ARG002
        """Keys without their sealed halves."""
        return without_private_halves()

    @admin.display(description="kid", ordering="kid")
    def short_kid(self, key: KeyPair) -> SafeString:
        """The beginning of the kid, the whole of it on hovering."""
        short = key.kid if len(key.kid) <= _SHORT_KID else key.kid[:_SHORT_KID] + "…"
        return format_html('<span class="kid" title="{}">{}</span>', key.kid, short)

    @admin.display(description="ring", ordering="ring__algorithm")
    def ring_link(self, key: KeyPair) -> SafeString:
        """The ring, and its realm."""
        address = reverse("admin:keys_keyring_change", args=[key.ring_id])
        return format_html('<a href="{}">{} {}</a>', address, key.realm.slug, key.ring)

    @admin.display(description="algorithm")
    def algorithm(self, key: KeyPair) -> str:
        """The `alg`, and the length of an RSA modulus."""
        return f"{key.ring.algorithm}, {key.ring.bits} bits" if key.ring.bits else key.ring.algorithm

    @admin.display(description="state")
    def state(self, key: KeyPair) -> SafeString:
        """Where the clock stands on its timetable."""
        return badge(state_at(timetable_of(key), timezone.now()))

    @admin.display(description="longest token lifetime")
    def lifetime(self, key: KeyPair) -> str:
        """The longest life of what it may sign."""
        return in_words(key.max_lifetime)

    @admin.display(description="thumbprint")
    def thumbprint(self, key: KeyPair) -> SafeString | str:
        """The URI that names the key itself, whatever its kid (RFC 9278)."""
        return format_html("<code>{}</code>", thumbprint_uri(key.public_jwk)) if key.public_jwk else "–"

    @admin.display(description="public JWK")
    def public_half(self, key: KeyPair) -> SafeString | str:
        """The public JWK, indented."""
        if key.public_jwk is None:
            return "none: a symmetric key has no public half"
        return format_html('<pre class="jwk" tabindex="0">{}</pre>', json.dumps(_in_order(key.public_jwk), indent=2))

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """No: a rotation makes keys."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: KeyPair | None = None) -> bool:  # noqa: ARG002
        """No: a timetable is edited by a plan alone."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: KeyPair | None = None) -> bool:  # noqa: ARG002
        """No: the public half is history."""
        return False

    def has_compromise_permission(self, request: HttpRequest) -> bool:
        """Whether an operator may declare a key compromised: a permission of its own."""
        return self.has_view_permission(request) and request.user.has_perm("keys.compromise_keypair")

    def get_urls(self) -> list[URLPattern]:
        """The page of the compromise stands before Django's own, which would catch its address."""
        page = self.admin_site.admin_view(self.compromise_view)
        return [path("<path:object_id>/compromise/", page, name="keys_keypair_compromise"), *super().get_urls()]

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def compromise_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Confirm and carry out the declaration."""
        if not self.has_compromise_permission(request):
            raise PermissionDenied
        key = self.get_object(request, unquote(object_id))
        if key is None:
            raise Http404("There is no such key.")
        return compromise_page(self, request, key)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The key's page, with its picture and what happened to it."""
        key = self.get_object(request, unquote(object_id))
        context: dict[str, Any] = {**(extra_context or {}), "may_compromise": False}
        if key is not None:
            context |= {
                "now": timezone.now(),
                "key": key,
                "picture_of": [key],
                "title": "Key",
                "subtitle": None,
                "events": events_about(key.kid).filter(realm=key.realm.slug)[:_EVENTS_SHOWN],
                "may_compromise": self.has_compromise_permission(request) and key.compromised_at is None,
            }
        return super().change_view(request, object_id, form_url, context)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with a title that promises no editing."""
        return super().changelist_view(request, {**(extra_context or {}), "title": "Keys"})


def _in_order(members: dict[str, str]) -> dict[str, str]:
    """What names a key first; the database keeps no order."""
    names = [*(name for name in _FIRST_MEMBERS if name in members), *sorted(members.keys() - set(_FIRST_MEMBERS))]
    return {name: members[name] for name in names}
