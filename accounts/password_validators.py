"""The rules for new passwords in Django's form, so that every form and command holds them (NIST SP 800-63B-4 §3.1.1.2).

There are no rules on which kinds of characters a password has, and none on its age.
"""

import logging
from typing import Any

from django.contrib.auth.password_validation import CommonPasswordValidator, password_validators_help_texts
from django.core.exceptions import ValidationError
from django.utils.translation import gettext, ngettext

from accounts.breaches import BreachesAway, has_a_list, is_breached
from accounts.passwords import MIN_LENGTH, little_more_than, may_be_a_password, prepared, repeats_little, unit_of

logger = logging.getLogger("signet.passwords")
_OURS = "signet"


def rules() -> list[str]:
    """What a password has to be, for the list below its field: a sentence each."""
    return [sentence for sentence in password_validators_help_texts() if sentence]


class Length:
    """Long enough to be the only factor, and short enough to be hashed."""

    def validate(self, password: str, user: Any = None) -> None:  # noqa: ARG002  (Django's)
        """Count code points of the form that is hashed.

        Raises:
            ValidationError: with a sentence that says what to do.
        """
        if not may_be_a_password(password):
            text = gettext("This password is too long, or holds control characters. Take a shorter one.")
            raise ValidationError(text, code="password_impossible")
        if len(prepared(password)) < MIN_LENGTH:
            sentence = ngettext(
                "This password is too short. Take at least %(count)d character; four words do.",
                "This password is too short. Take at least %(count)d characters; four words do.",
                MIN_LENGTH,
            )
            raise ValidationError(sentence % {"count": MIN_LENGTH}, code="password_too_short")

    def get_help_text(self) -> str:
        """For the list below the field."""
        sentence = ngettext(
            "At least %(count)d character; spaces count, and four words do.",
            "At least %(count)d characters; spaces count, and four words do.",
            MIN_LENGTH,
        )
        return sentence % {"count": MIN_LENGTH}


class Uncommon(CommonPasswordValidator):
    """None that many people have, nor one of these over and over."""

    def validate(self, password: str, user: Any = None) -> None:  # noqa: ARG002  (Django's)
        """Look into Django's list of common passwords.

        Raises:
            ValidationError: with a sentence that says what to do.
        """
        folded = prepared(password).casefold().strip()
        if repeats_little(folded) or {folded, unit_of(folded)} & self.passwords:
            text = gettext("Many people have this password. Take words that don’t belong together.")
            raise ValidationError(text, code="password_too_common")

    def get_help_text(self) -> str:
        """For the list below the field."""
        return gettext("None that many people have.")


class BesideContext:
    """More than the words that stand around it."""

    def validate(self, password: str, user: Any = None) -> None:
        """Take out the person's name and address, and the name of this software.

        Raises:
            ValidationError: with a sentence that says what to do.
        """
        names = ("username", "email", "name", "given_name", "family_name")
        words = [_OURS, *(str(getattr(user, name, "") or "") for name in names)]
        words.extend(getattr(user, "words_of_context", ()))
        if little_more_than(password, words):
            text = gettext(
                "This password is little more than a name that others know too. Add words that have nothing to do "
                "with you or with this site."
            )
            raise ValidationError(text, code="password_of_context")

    def get_help_text(self) -> str:
        """For the list below the field."""
        return gettext("Not made of your name, your address or the name of this site.")


class NotBreached:
    """None that was found in the open, where the settings name a list of those."""

    def validate(self, password: str, user: Any = None) -> None:  # noqa: ARG002  (Django's)
        """Ask the list; where it is away nobody is kept from choosing a password.

        Raises:
            ValidationError: with a sentence that says what to do.
        """
        if not may_be_a_password(password):
            return  # refused by another rule
        try:
            found = is_breached(prepared(password))
        except BreachesAway as error:
            logger.warning("passwords.breaches_away fault=%s", error)
            return
        if found:
            text = gettext(
                "This password was stolen from some site before and stands on lists of guesses. Take another one, and "
                "change it wherever else you use it."
            )
            raise ValidationError(text, code="password_breached")

    def get_help_text(self) -> str:
        """For the list below the field; "" where there is no list to hold it against."""
        return gettext("None that was ever stolen from a site.") if has_a_list() else ""
