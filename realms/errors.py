"""What can be wrong with a realm."""


class RealmError(Exception):
    """Base of the errors about realms; the text is one sentence for an operator."""


class IssuerMoved(RealmError):
    """The configured base address is not the one that the realm's tokens carry."""


class UnknownRealm(RealmError):
    """No realm has this slug."""


class TermsRefused(RealmError):
    """A realm can't be called or be like this; the text says why, a sentence a fault."""
