"""Authentication context classes: how sure a sign-in makes who it is (OpenID Connect Core §2, `acr`; RFC 8176)."""

from collections.abc import Collection

SINGLE_FACTOR = "urn:signet:acr:single-factor"
MULTI_FACTOR = "urn:signet:acr:multi-factor"
PHISHING_RESISTANT = "urn:signet:acr:phishing-resistant"
ACR_VALUES = (SINGLE_FACTOR, MULTI_FACTOR, PHISHING_RESISTANT)  # each is more than the one before it

PASSWORD = "pwd"  # noqa: S105  (a method's name)
ONE_TIME_CODE = "otp"
KEY = "pop"  # proof of possession of a key: a passkey says nothing surer of where its key is kept
PRESENCE = "user"
SECOND_FACTOR = "mfa"
FEDERATED = "fed"  # another provider says who it is; ours alone, so no token tells it
_UNTOLD = frozenset({FEDERATED})


def acr_of(methods: tuple[str, ...]) -> str:
    """The class of a sign-in, from what happened and nothing else; "" where nobody proved anything.

    Arguments:
        methods: of the session.
    """
    if SECOND_FACTOR in methods:
        return PHISHING_RESISTANT if KEY in methods else MULTI_FACTOR
    return SINGLE_FACTOR if methods else ""


def amr_of(methods: tuple[str, ...]) -> tuple[str, ...]:
    """What tokens tell of how somebody signed in (RFC 8176 §2).

    Arguments:
        methods: of the session.
    """
    return tuple(method for method in methods if method not in _UNTOLD)


def satisfies(methods: tuple[str, ...], demanded: Collection[str]) -> bool:
    """Whether a sign-in is of one of the classes, or surer; classes that nobody here knows are met by none.

    Arguments:
        methods: of the session.
        demanded: classes; none demands nothing.
    """
    known = [ACR_VALUES.index(each) for each in demanded if each in ACR_VALUES]
    reached = acr_of(methods)
    return not demanded or (bool(known) and reached != "" and ACR_VALUES.index(reached) >= min(known))


def joined(first: tuple[str, ...], then: tuple[str, ...]) -> tuple[str, ...]:
    """What happened in a sign-in of two parts that proved different things, each method once.

    Arguments:
        first, then: methods of the parts.
    """
    parts = [method for method in dict.fromkeys((*first, *then)) if method != SECOND_FACTOR]
    both = SECOND_FACTOR in first or SECOND_FACTOR in then or set(first) != set(then)
    return (*parts, SECOND_FACTOR) if both else tuple(parts)
