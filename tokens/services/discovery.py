"""What discovery lists, from the registries that do the work (RFC 8414 §2, OpenID Connect Discovery §3)."""

from collections.abc import Mapping
from datetime import datetime

from django.conf import settings

from accounts.acr import ACR_VALUES
from accounts.claims import SUPPORTED_CLAIMS
from keys import api
from realms.models import Realm
from realms.vocabulary import Registration
from tokens.client_auth import METHODS
from tokens.grants import GRANTS
from tokens.id_token import PROTOCOL_CLAIMS
from tokens.logout_token import METADATA as LOGOUT_METADATA
from tokens.pkce import METHODS as PKCE_METHODS
from tokens.response_types import IMPLICIT
from tokens.scopes import STANDARD_SCOPES
from tokens.services.possession import algorithms
from tokens.vocabulary import AuthMethod, Prompt, ResponseMode, ResponseType, SubjectType


def offered(realm: Realm, *, now: datetime) -> Mapping[str, object]:
    """The lists of a realm's discovery document.

    Arguments:
        realm: whose.
        now: aware; which keys are published decides about algorithms.

    Raises:
        PublishedSetUnavailable: the keys can't be read.
    """
    methods = [method.name.value for method in METHODS]
    signing, signed = api.published_algorithms(realm.slug, now=now), list(api.foreign_algorithms())
    proven = [name for name in methods if name != AuthMethod.NONE]
    found: dict[str, object] = {
        "scopes_supported": list(STANDARD_SCOPES),
        "response_types_supported": [kind.value for kind in ResponseType],
        "response_modes_supported": [mode.value for mode in ResponseMode],
        "grant_types_supported": [*(grant.type.value for grant in GRANTS), IMPLICIT],
        "subject_types_supported": [kind.value for kind in SubjectType],
        "code_challenge_methods_supported": list(PKCE_METHODS),
        "acr_values_supported": list(ACR_VALUES),
        "claim_types_supported": ["normal"],
        "claims_supported": [*PROTOCOL_CLAIMS, *SUPPORTED_CLAIMS],
        "prompt_values_supported": [
            prompt.value for prompt in Prompt if prompt is not Prompt.CREATE or realm.registration == Registration.OPEN
        ],
        "ui_locales_supported": [code for code, _name in settings.LANGUAGES],
        "authorization_response_iss_parameter_supported": True,
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        **LOGOUT_METADATA,
    }
    found["dpop_signing_alg_values_supported"] = list(algorithms())
    for what in ("id_token", "userinfo"):
        found[f"{what}_signing_alg_values_supported"] = signing
        found[f"{what}_encryption_alg_values_supported"] = list(api.encryption_algorithms())
        found[f"{what}_encryption_enc_values_supported"] = list(api.content_encryptions())
    for endpoint, offers in (("token", methods), ("revocation", methods), ("introspection", proven)):
        found[f"{endpoint}_endpoint_auth_methods_supported"] = offers
        found[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] = signed
    return found
