"""The document: what it says, where, and in one order."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp_project.configuration.document import Kind, Place, parse, render
from idp_project.configuration.schema import REGISTERED, SCHEMA, ring_named
from idp_project.errors import ConfigurationRefused
from keys.algorithms import Purpose
from keys.errors import UnknownAlgorithm
from tests.idp_project.configuration.documents import CLIENTS, document, shop
from tokens.client_metadata import ClientMetadata

pytestmark = pytest.mark.spec("issue 3 of 6: import_config")


def refused(wanted: Any) -> list[str]:
    with pytest.raises(ConfigurationRefused) as caught:
        parse(json.dumps(wanted).encode(), SCHEMA)
    return str(caught.value).splitlines()


def test_a_document_says_of_each_thing_what_is_said_and_no_more() -> None:
    things = parse(json.dumps(document(shop=shop())).encode(), SCHEMA)
    assert things[Place("shop")] == {"name": "Shop"}
    assert things[Place("shop", Kind.RING, "sign RS256 2048")] == {}
    machine = things[Place("shop", Kind.CLIENT, "machine")]
    assert machine["scope"] == ("read", "write")
    assert len(things) == 2 + len(CLIENTS)
    folders = {"rings": {"sign RS256 2048": {}}, "clients": CLIENTS, "upstreams": {}}
    assert render(things, SCHEMA) == document(shop={"name": "Shop", **folders})


def test_the_order_is_always_the_same() -> None:
    wanted = document(b={}, a={"clients": {"y": {}, "x": {"scope": "b a", "client_name": "X"}}, "name": "A"})
    rendered = json.dumps(render(parse(json.dumps(wanted).encode(), SCHEMA), SCHEMA))
    assert rendered == json.dumps(
        document(
            a={
                "name": "A",
                "rings": {},
                "clients": {"x": {"client_name": "X", "scope": "b a"}, "y": {}},
                "upstreams": {},
            },
            b={"rings": {}, "clients": {}, "upstreams": {}},
        )
    )


@pytest.mark.spec("RFC 7591 §2")
def test_all_that_a_client_registers_has_a_member() -> None:
    assert set(REGISTERED.values()) == set(ClientMetadata.__dataclass_fields__)
    assert REGISTERED["scope"] == "scopes"
    assert REGISTERED["id_token_signed_response_alg"] == "id_token_alg"
    assert {"client_secret", "secret_digests", "client_id", "kind"}.isdisjoint(SCHEMA[Kind.CLIENT].members)


@pytest.mark.parametrize(
    ("wanted", "fault"),
    [
        (document(A={}), "realms/A: a slug has"),
        (document(**{"": {}}), "realms/: a slug has"),
        (document(**{"a/b": {}}), "realms/'a/b': a slug has"),
        (document(**{"a\n": {}}), r"realms/'a\n': a slug has"),
        (document(**{"\u202ea": {}}), r"realms/'\u202ea': a slug has"),
        (document(a=[]), "realms/a: it has to be a JSON object."),
        (document(a={"slug": "a"}), "realms/a/slug: there is no such member."),
        (document(a={"pairwise_salt": "AAAA"}), "realms/a/pairwise_salt: there is no such member."),
        (document(a={"enabled": 1}), "realms/a/enabled: it has to be true or false."),
        (document(a={"registration": "anybody"}), "realms/a/registration: it has to be one of closed, invited, open."),
        (document(a={"name": None}), "realms/a/name: it has to be a text of at most 2000 characters."),
        (document(a={"access_token_lifetime": 300}), "realms/a/access_token_lifetime: it has to be an ISO 8601"),
        (document(a={"rings": []}), "realms/a/rings: it has to be a JSON object."),
        (document(a={"clients": None}), "realms/a/clients: it has to be a JSON object."),
        (document(a={"rings": {"ES256": {}}}), "realms/a/rings/ES256: a ring is named by"),
        (
            document(a={"rings": {"sign ES256": {"custody": "cloud"}}}),
            "ES256/custody: it has to be one of",
        ),
        (document(a={"rings": {"sign ES256": {"custodian": 1}}}), "sign ES256/custodian: it has to be a text"),
        (document(a={"rings": {"sign ES256": {"propagation": None}}}), "sign ES256/propagation: it has to be an ISO"),
        (document(a={"clients": {"signet-direct": {}}}), "realms/a/clients/signet-direct: a client_id has"),
        (document(a={"clients": {"a b": {}}}), "realms/a/clients/a b: a client_id has"),
        (document(a={"clients": {"x": 1}}), "realms/a/clients/x: it has to be a JSON object."),
        (document(a={"clients": {"x": {"client_id": "y"}}}), "clients/x/client_id: there is no such member."),
        (document(a={"clients": {"x": {"scopes": ["a"]}}}), "clients/x/scopes: there is no such member."),
        (document(a={"clients": {"x": {"kind": "built_in"}}}), "clients/x/kind: there is no such member."),
        (document(a={"clients": {"x": {"x" * 999: 1}}}), "clients/x/" + "x" * 64 + "…: there is no such member."),
        (document(a={"clients": {"x": {"grant_types": ["password"]}}}), "x/grant_types: it has to be one of"),
        ({**document(), "upstreams": {}}, "upstreams: there is no such member."),
    ],
)
def test_what_cannot_be_said_is_refused_with_its_place(wanted: Any, fault: str) -> None:
    (told,) = refused(wanted)
    assert fault in told
    assert told.isprintable()


def test_many_faults_are_told_a_line_each_up_to_a_bound() -> None:
    told = refused(document(a={f"m{number}": 1 for number in range(90)}))
    assert len(told) == 51
    assert told[-1] == "And 40 more."


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sign ES256", (Purpose.SIGN, "ES256", None)),
        ("sign RS256 4096", (Purpose.SIGN, "RS256", 4096)),
        ("mac HMAC-SHA256", (Purpose.MAC, "HMAC-SHA256", None)),
        ("expired_test ES256", (Purpose.EXPIRED_TEST, "ES256", None)),
        ("sign ML-DSA-65", (Purpose.SIGN, "ML-DSA-65", None)),
    ],
)
def test_a_ring_has_the_name_that_its_row_has(name: str, kind: tuple[Purpose, str, int | None]) -> None:
    assert ring_named(name) == kind


@pytest.mark.parametrize(
    "name",
    ["", "sign", "sign RS256", "sign RS256 1024", "sign RS256 04096", "sign ES256 256", "sign EdDSA", "sign HS256",
     "sign none", "sign HMAC-SHA256", "mac ES256", "encrypt RS256 2048", "Sign ES256", "sign  ES256", "sign ES256 ",
     "sign ES256\n", "sign RS256 ٤٠٩٦"],
)  # fmt: skip
def test_no_ring_has_another_name(name: str) -> None:
    with pytest.raises(UnknownAlgorithm):
        ring_named(name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
KNOWN = ["realms", "rings", "clients", "name", "a", "sign ES256", "jwks", "scope", "enabled"]
NAMES = st.sampled_from(KNOWN) | st.text()
TREES = st.recursive(JSON, lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=20)


@given(TREES)
def test_whatever_is_written_there_it_is_read_or_refused(tree: Any) -> None:
    for wanted in (tree, {"version": 1, "realms": tree}, document(a=tree), document(a={"clients": {"x": tree}})):
        try:
            things = parse(json.dumps(wanted).encode("utf-8", "surrogatepass"), SCHEMA)
        except ConfigurationRefused:
            continue
        assert parse(json.dumps(render(things, SCHEMA)).encode(), SCHEMA) == things


@given(st.binary(max_size=64))
def test_any_bytes_are_refused_in_one_sentence(text: bytes) -> None:
    with pytest.raises(ConfigurationRefused) as caught:
        parse(text, SCHEMA)
    assert len(str(caught.value).splitlines()) == 1
