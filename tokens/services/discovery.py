"""What discovery lists, from the registries that do the work (RFC 8414 §2)."""

from collections.abc import Mapping

from keys import api
from tokens.client_auth import METHODS
from tokens.grants import GRANTS
from tokens.vocabulary import AuthMethod


def offered() -> Mapping[str, object]:
    """The lists of the discovery document.

    There is no authorization endpoint yet, so no response type is listed: RFC 8414 wants the list itself.
    """
    methods = [method.name.value for method in METHODS]
    signed = list(api.foreign_algorithms())
    proven = [name for name in methods if name != AuthMethod.NONE]
    found: dict[str, object] = {
        "grant_types_supported": [grant.type.value for grant in GRANTS],
        "response_types_supported": [],
    }
    for endpoint, offers in (("token", methods), ("revocation", methods), ("introspection", proven)):
        found[f"{endpoint}_endpoint_auth_methods_supported"] = offers
        found[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] = signed
    return found
