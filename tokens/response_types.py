"""Response types: what a request asks the authorization endpoint for (OAuth 2.0 Multiple Response Types)."""

from tokens.vocabulary import ResponseMode, ResponseType

_BY_WORDS = {frozenset(known.split(" ")): known for known in ResponseType}
IMPLICIT = "implicit"  # how discovery calls a grant that never meets the token endpoint (RFC 8414 §2)


def parse(text: str) -> ResponseType | None:
    """The response type that a request names, its words in any order (RFC 6749 §3.1.1); None where there is none."""
    words = text.split(" ")
    return _BY_WORDS.get(frozenset(words)) if len(set(words)) == len(words) else None


def default_mode(text: str) -> ResponseMode:
    """How an answer travels that says nothing of it: tokens never in a query, which logs keep (§5).

    Arguments:
        text: the `response_type` as it came, known here or not: a refusal goes where its client looks for one.
    """
    return ResponseMode.FRAGMENT if {"token", "id_token"} & set(text.split(" ")) else ResponseMode.QUERY
