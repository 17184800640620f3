"""Forms of realms, and the field in which a length of time is read and shown in words."""

from datetime import timedelta
from itertools import chain
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from realms import terms
from realms.hooks import lifetime_faults
from realms.models import Realm
from realms.pictures import MEDIA_TYPES, MOST_BYTES, Picture, PictureRefused, picture_of
from realms.spans import from_words, in_words
from realms.terms import LONGEST_SPAN

_LIFETIMES = ("access_token", "refresh_idle", "refresh_absolute")


class SpanField(forms.DurationField):
    """A length of time above nought, such as `2 days 6 hours`; ISO 8601 (`P2DT6H`) works too."""

    default_error_messages = {
        "invalid": "Write a length of time such as 90 days, 36 hours or PT5M.",
        "overflow": "That is too long: the longest is ten years.",
        "nought": "It can't be negative.",
    }

    def prepare_value(self, value: Any) -> Any:
        """The words for a length; what was typed stays as it is."""
        return in_words(value) if isinstance(value, timedelta) else value

    def to_python(self, value: Any) -> timedelta | None:
        """Words first, since Django's form reads everything else."""
        try:
            spoken = from_words(value) if isinstance(value, str) else None
        except OverflowError as error:
            raise ValidationError(self.error_messages["overflow"], code="overflow") from error
        return spoken if spoken is not None else super().to_python(value)

    def validate(self, value: Any) -> None:
        """Within what a clock can be moved by: the sum of a length and the present has to be a date."""
        super().validate(value)
        if isinstance(value, timedelta) and value > LONGEST_SPAN:
            raise ValidationError(self.error_messages["overflow"], code="overflow")
        if isinstance(value, timedelta) and value < timedelta(0):
            raise ValidationError(self.error_messages["nought"], code="nought")


class ColourField(forms.CharField):
    """A colour as #rrggbb; empty for Signet's own. Whether it can be read is for the realm's terms to say."""

    def __init__(self, **options: Any) -> None:
        attributes = {"size": 10, "placeholder": "#1f6f54", "spellcheck": "false"}
        super().__init__(**{"required": False, "max_length": 7, "widget": forms.TextInput(attrs=attributes), **options})

    def to_python(self, value: Any) -> str:
        """In small letters, as the row has it."""
        return (super().to_python(value) or "").lower()


class RealmForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """What an operator may change of a realm: its name, its accounts, what people prove, how long its tokens live."""

    access_token_lifetime = SpanField(
        help_text="At most 15 minutes: an access token can't be called back, only outlived."
    )
    refresh_idle_lifetime = SpanField(help_text="A grant ends when nobody has refreshed it for this long.")
    refresh_absolute_lifetime = SpanField(
        help_text="A grant ends this long after it began, refreshed or not. Those that are out keep their end."
    )

    accent = ColourField(
        label="Colour",
        help_text="Of links and buttons, as #rrggbb. Words in it have to be readable on the light page.",
    )
    accent_dark = ColourField(label="Colour, dark", help_text="The same for people whose devices prefer a dark scheme.")
    picture = forms.FileField(
        label="Logo",
        required=False,
        widget=forms.FileInput(attrs={"accept": ",".join(MEDIA_TYPES)}),
        help_text=f"A PNG, JPEG or WebP picture of at most {MOST_BYTES // 1024} KiB, shown above every page.",
    )
    without_picture = forms.BooleanField(
        label="Remove the logo", required=False, help_text="Signet's own stands there again."
    )

    class Meta:
        model = Realm
        fields = [
            "name",
            "enabled",
            "registration",
            "require_second_factor",
            "accent",
            "accent_dark",
            "access_token_lifetime",
            "refresh_idle_lifetime",
            "refresh_absolute_lifetime",
        ]
        help_texts = {
            "registration": "Open: whoever comes may make an account for themselves. Invited: whoever an "
            "operator sends an invitation. Closed: operators make them.",
            "require_second_factor": "Everybody proves one to sign in; whoever has none sets one up first. "
            "Who is signed in without one is asked at the next request of a client.",
        }

    def clean_picture(self) -> Picture | None:
        """What was uploaded, read by its own bytes."""
        uploaded = self.cleaned_data["picture"]
        if uploaded is None:
            return None
        try:
            return picture_of(uploaded.read(MOST_BYTES + 1))
        except PictureRefused as error:
            raise ValidationError(str(error), code="picture") from error

    def clean(self) -> dict[str, Any]:
        """The bounds that the database holds too, in sentences that stand beside their field."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        access, idle, absolute = (cleaned.get(f"{kind}_lifetime") for kind in _LIFETIMES)
        colours = {name: cleaned.get(name) or "" for name in ("accent", "accent_dark")}
        faults = chain(
            terms.lifetime_faults(access=access, idle=idle, absolute=absolute), terms.colour_faults(**colours)
        )
        for name, sentence in list(faults):
            self.add_error(name, sentence)
        if access is not None and absolute is not None:
            for fault in lifetime_faults(self.instance, access=access, refresh=absolute):
                self.add_error(None, fault)
        return cleaned
