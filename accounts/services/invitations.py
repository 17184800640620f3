"""Invitations: an operator sends them, whoever opens the mail makes an account or joins with theirs."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts import letters
from accounts.errors import RegistrationClosed
from accounts.models import MailedLink, Membership
from accounts.names import check_email, check_roles
from accounts.services.mailed_links import make_invitation, use_link
from accounts.services.outbox import post
from accounts.services.passwords import require_mail
from accounts.services.people import add_member
from accounts.services.sign_in import SignedIn, sign_in
from accounts.vocabulary import LinkPurpose
from audit.services import Details, record, record_each
from audit.vocabulary import EventName
from realms.models import Realm
from realms.vocabulary import Registration


def invite(*, realm: Realm, email: str, roles: Sequence[str], actor: str, now: datetime) -> MailedLink:
    """Mail somebody a link that lets them into a realm. An earlier one to the same address ends.

    Arguments:
        realm: where they are invited to; not one that is closed.
        email: where it is mailed to.
        roles: what they will be there.
        actor: opaque id of the operator, for the audit.
        now: aware time.

    Raises:
        NoMail: this installation sends none.
        RegistrationClosed: the realm takes nobody in.
        NameRefused: this is no address, or a role has a form that none may have.
    """
    require_mail()
    if realm.registration == Registration.CLOSED:
        raise RegistrationClosed("Registration is closed.")
    checked = check_roles(list(roles))
    with transaction.atomic():
        row, secret = make_invitation(realm=realm, email=check_email(email), roles=checked, now=now)
        post(letters.invitation(realm=realm, secret=secret), to=email, now=now)
        details = {"purpose": LinkPurpose.INVITATION.value, "roles": " ".join(checked)}
        record(EventName.LINK_MAILED, realm=realm.slug, actor=actor, target=str(row.pk), now=now, details=details)
    return row


def withdraw(invitations: Collection[UUID], *, actor: str, now: datetime) -> int:
    """End invitations that nobody has used.

    Arguments:
        invitations: primary keys.
        actor: opaque id of the operator, for the audit.
        now: aware time.

    Returns:
        How many ended now.
    """
    with transaction.atomic():
        open_ones = MailedLink.objects.filter(
            pk__in=invitations, purpose=LinkPurpose.INVITATION, used_at=None, expires_at__gt=now
        )
        found = list(open_ones.select_for_update(of=("self",)).order_by("pk").values_list("pk", "realm__slug"))
        MailedLink.objects.filter(pk__in=[pk for pk, _slug in found]).delete()
        targets: list[tuple[str, str, Details]] = [(slug, str(pk), {}) for pk, slug in found]
        record_each(EventName.LINK_WITHDRAWN, targets=targets, actor=actor, now=now)
    return len(found)


def join(
    invitation: MailedLink, *, username: str, password: str, address: str, now: datetime, user_agent: str = ""
) -> SignedIn:
    """Make somebody who has an account a member of the realm that they are invited to; roles come on top of theirs.

    Arguments:
        invitation: one that stood when it was read.
        username, password, address, now, user_agent: of a sign-in, with its limits.

    Returns:
        The proof. A second factor that they have is due after it as ever.

    Raises:
        LinkOver: the invitation was used or withdrawn meanwhile.
        RegistrationClosed: the realm takes nobody in any more.
        SignInRefused, TooManyAttempts, HashingBusy: as `sign_in`; the invitation stays good.
    """
    realm = invitation.realm
    if realm.registration == Registration.CLOSED:
        raise RegistrationClosed("Registration is closed.")
    proof = sign_in(realm=None, username=username, password=password, address=address, now=now, user_agent=user_agent)
    person, actor = proof.person, f"user:{proof.person.subject}"
    with transaction.atomic():
        use_link(invitation, now=now)
        present = Membership.objects.select_for_update(no_key=True).filter(user=person, realm=realm).first()
        roles = sorted({*invitation.roles, *(present.roles if present else ())})
        add_member(person=person, realm=realm, roles=roles, actor=actor, now=now)
        record(EventName.INVITATION_ACCEPTED, realm=realm.slug, actor=actor, target=str(invitation.pk), now=now)
    return SignedIn(person, tuple(roles), proof.at, proof.methods)
