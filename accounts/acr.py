"""Authentication context classes: how sure a sign-in makes who it is (OpenID Connect Core §2, `acr`)."""

SINGLE_FACTOR = "urn:signet:acr:single-factor"
ACR_VALUES = (SINGLE_FACTOR,)  # for discovery: what a sign-in here can reach


def acr_of(methods: tuple[str, ...]) -> str:
    """The class of a sign-in, from what happened and nothing else; "" where nobody proved anything.

    Arguments:
        methods: `amr` (RFC 8176).
    """
    return SINGLE_FACTOR if methods else ""
