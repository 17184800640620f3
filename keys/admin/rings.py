"""Rings in the admin: their timetable as a picture, their policy as a form, and a rotation on demand."""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import AdminForm
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods

from audit.hooks import VIEW_PERSONAL
from audit.selectors import events_about
from keys.admin.move_page import move_page
from keys.admin.rotation_page import rotation_page, tell
from keys.algorithms import PUBLISHED_PURPOSES, Purpose
from keys.errors import KeysError
from keys.forecast import foreseen
from keys.forms import NewRingForm, PolicyForm
from keys.models import KeyPair, KeyRing
from keys.overview import RingOverview, overview, with_evidence
from keys.services.minting import prove_master_secret
from keys.services.rings import add_ring, change_policy
from keys.services.rotation import rotate
from realms.acting import actor_of
from realms.narrowed_lists import NarrowedLists

_only_pages = method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
_EVENTS_SHOWN = 20


@admin.register(KeyRing)
class KeyRingAdmin(NarrowedLists):
    """Django's own add and change views write rows in a transaction; these call services instead."""

    list_display = ("name", "realm", "signer", "takes_over", "attention")
    list_filter = ("realm",)
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[KeyRing]:
        """Rings with their keys; no half of a key leaves the database."""
        keys = KeyPair.objects.defer("sealed_private", "public_jwk").order_by("activates_at")
        return super().get_queryset(request).select_related("realm").prefetch_related(Prefetch("keys", keys))

    @admin.display(description="ring", ordering="algorithm")
    def name(self, ring: KeyRing) -> str:
        """Purpose, algorithm and length."""
        return str(ring)

    @admin.display(description="signing now")
    def signer(self, ring: KeyRing) -> SafeString | str:
        """The kid of the active key."""
        signer = _overview(ring).signer
        return format_html("<code>{}</code>", signer.kid) if signer else "none"

    @admin.display(description="next rotation")
    def takes_over(self, ring: KeyRing) -> str:
        """When the standby takes over."""
        if ring.retired_at is not None:
            return "retired"
        moment = _overview(ring).takeover_at
        return f"{moment:%d %b %Y %H:%M} UTC" if moment else "not scheduled"

    @admin.display(description="in order", boolean=True)
    def attention(self, ring: KeyRing) -> bool:
        """Whether nothing is overdue."""
        return not _overview(ring).warnings

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, under a plain title."""
        return super().changelist_view(request, {**(extra_context or {}), "title": "Key rings"})

    def has_delete_permission(self, request: HttpRequest, obj: KeyRing | None = None) -> bool:  # noqa: ARG002
        """No: the keys of a ring are history."""
        return False

    def has_rotate_permission(self, request: HttpRequest) -> bool:
        """Whether an operator may rotate: a permission of its own."""
        return self.has_view_permission(request) and request.user.has_perm("keys.rotate_keyring")

    def get_urls(self) -> list[URLPattern]:
        """The pages of the rotation and of the custodian stand before Django's own, which would catch its address."""
        rotate_page = self.admin_site.admin_view(self.rotate_view)
        custody_page = self.admin_site.admin_view(self.move_view)
        return [
            path("<path:object_id>/rotate/", rotate_page, name="keys_keyring_rotate"),
            path("<path:object_id>/move/", custody_page, name="keys_keyring_move"),
            *super().get_urls(),
        ]

    @_only_pages
    def rotate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Confirm and carry out a rotation."""
        if not self.has_rotate_permission(request):
            raise PermissionDenied
        ring = self.get_object(request, unquote(object_id))
        if ring is None:
            raise Http404("There is no such ring.")
        return rotation_page(self, request, ring)

    @_only_pages
    def move_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Move the ring to another custodian."""
        ring = self.get_object(request, unquote(object_id))
        if not self.has_change_permission(request, ring):
            raise PermissionDenied
        if ring is None:
            raise Http404("There is no such ring.")
        return move_page(self, request, ring)

    @_only_pages
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002  (Django's)
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        """The ring's page; on POST, give it another policy."""
        ring = self.get_object(request, unquote(object_id))
        if ring is None:
            raise Http404("There is no such ring.")
        may_change = self.has_change_permission(request, ring)
        if not (may_change or (request.method != "POST" and self.has_view_permission(request, ring))):
            raise PermissionDenied
        form = PolicyForm(request.POST if request.method == "POST" else None, ring=ring)
        if request.method == "POST" and form.is_valid() and self._change_policy(request, ring, form):
            return HttpResponseRedirect(reverse("admin:keys_keyring_change", args=[ring.pk]))
        return self._ring_page(request, ring, form, may_change=may_change)

    def _change_policy(self, request: HttpRequest, ring: KeyRing, form: PolicyForm) -> bool:
        """Change the policy and have the timetable follow; False leaves the reason on the form."""
        actor = actor_of(request)
        if not form.has_changed():
            messages.info(request, "Nothing was changed.")
            return True
        try:
            changed = change_policy(ring, policy=form.policy(), actor=actor, now=timezone.now())
        except KeysError as error:
            form.add_error(None, str(error))
            return False
        self.log_change(request, ring, "Changed the policy.")
        messages.success(request, f"The policy of the ring {ring} is changed.")
        self._rotate_after(request, changed, but="The policy is changed, but the timetable doesn't follow it yet")
        return True

    def _rotate_after(self, request: HttpRequest, ring: KeyRing, *, but: str) -> None:
        """Rotate, and say what was done; what led here stands whether that works or not."""
        try:
            tell(request, rotate(ring, now=timezone.now(), actor=actor_of(request)))
        except KeysError as error:
            messages.error(request, f"{but}: {error} Then run rotate_keys.")

    def _ring_page(self, request: HttpRequest, ring: KeyRing, form: PolicyForm, *, may_change: bool) -> HttpResponse:
        now = timezone.now()
        keys = list(ring.keys.all())
        context = {
            **self.form_page(request, form, title=f"Ring {ring}", submit="Save the policy"),
            "subtitle": None,
            "ring": ring,
            "present": with_evidence([overview(ring, keys, now)], now)[0],
            "keys": keys[::-1],
            "now": now,
            "foreseen": foreseen(ring, keys, now),
            "events": events_about(str(ring)).filter(realm=ring.realm.slug)[:_EVENTS_SHOWN],
            "published": Purpose(ring.purpose) in PUBLISHED_PURPOSES,
            "may_change": may_change,
            "may_rotate": self.has_rotate_permission(request),
            "may_see_keys": request.user.has_perm("keys.view_keypair"),
            "may_see_addresses": request.user.has_perm(VIEW_PERSONAL),
        }
        return TemplateResponse(request, "admin/keys/keyring/ring.html", context)

    @_only_pages
    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",  # noqa: ARG002  (Django's)
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        """Add a ring and make its first keys."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = NewRingForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            ring = self._add_ring(request, form)
            if ring is not None:
                return HttpResponseRedirect(reverse("admin:keys_keyring_change", args=[ring.pk]))
        context = self.form_page(request, form, title="Add a key ring", submit="Add the ring and make its keys")
        return TemplateResponse(request, "admin/keys/keyring/new_ring.html", context)

    def _add_ring(self, request: HttpRequest, form: NewRingForm) -> KeyRing | None:
        """The new ring; None leaves the reason on the form."""
        asked = form.cleaned_data
        try:
            prove_master_secret([])  # a ring that no key can be made for helps nobody
            ring = add_ring(
                realm=asked["realm"],
                algorithm=asked["algorithm"],
                bits=asked["bits"],
                actor=actor_of(request),
                now=timezone.now(),
            )
        except KeysError as error:
            form.add_error(None, str(error))
            return None
        self.log_addition(request, ring, "Added the ring.")
        self._rotate_after(request, ring, but="The ring is there, but without keys")
        return ring

    def form_page(self, request: HttpRequest, form: Form, *, title: str, submit: str) -> dict[str, Any]:
        """What a page with a form of the admin's own look needs."""
        return {
            **self.admin_site.each_context(request),
            "title": title,
            "submit": submit,
            "opts": self.opts,
            "form": form,
            "adminform": AdminForm(cast("Any", form), [(None, {"fields": list(form.fields)})], {}, model_admin=self),
        }


def _overview(ring: KeyRing) -> RingOverview:
    return overview(ring, list(ring.keys.all()), timezone.now())
