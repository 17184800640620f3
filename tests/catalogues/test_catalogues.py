"""Every sentence for people is there in every language that discovery lists."""

import pytest
from babel.messages.catalog import Catalog
from django.conf import settings

from tests.catalogues.catalogues import compiled, compiled_of, completed, faults, languages, read
from tests.catalogues.sentences import marked

pytestmark = pytest.mark.spec("OpenID Connect Discovery §3, ui_locales_supported")
SLOTTED, PLURAL = "Sign in to %(realm)s", ("%(count)d code", "%(count)d codes")


@pytest.fixture(scope="module")
def template() -> Catalog:
    return marked()


def of(**translations: str | tuple[str, ...]) -> Catalog:
    """A catalogue of these sentences, by the names of those above."""
    catalogue = Catalog(locale="de", fuzzy=False)
    for sentence, name in ((SLOTTED, "slotted"), (PLURAL, "plural")):
        if name in translations:
            catalogue.add(sentence, translations[name])
    return catalogue


def test_the_languages_are_those_of_the_settings() -> None:
    assert ["en", *languages()] == [code for code, _name in settings.LANGUAGES]


def test_sentences_are_found_in_python_and_in_templates(template: Catalog) -> None:
    for sentence in ("The server is busy. Try again in a few seconds.", "Allow <bdi>%(client)s</bdi>?", "Password"):
        assert sentence in template
    counted = template.get("There were too many attempts. Try again in %(count)d second.")
    assert counted is not None
    assert counted.pluralizable


@pytest.mark.parametrize("language", languages())
def test_nothing_is_left_to_translate(language: str, template: Catalog) -> None:
    assert list(faults(read(language), template)) == [], "run make catalogues, and translate what it names"


@pytest.mark.parametrize("language", languages())
def test_what_django_reads_is_what_translators_wrote(language: str) -> None:
    assert compiled_of(language).read_bytes() == compiled(read(language)), "run make catalogues"


@pytest.mark.parametrize(
    ("catalogue", "said"),
    [
        (of(slotted="Bei %(realm)s anmelden", plural=("%(count)d Code", "%(count)d Codes")), []),
        (of(slotted="Bei %(realm)s anmelden"), [f"not in the catalogue: {PLURAL[0]}"]),
        (of(slotted="Anmelden", plural=("%(count)d Code", "%(count)d Codes")), ["other placeholders"]),
        (of(slotted="", plural=("%(count)d Code", "%(count)d Codes")), ["not translated"]),
        (of(slotted="Bei %(realm)s anmelden", plural=("%(count)d Code", "")), ["not translated"]),
        (of(slotted="Bei <b>%(realm)s</b>", plural=("%(count)d Code", "%(count)d Codes")), ["other placeholders"]),
    ],
)
def test_what_is_wrong_with_a_catalogue_is_told(catalogue: Catalog, said: list[str]) -> None:
    found = list(faults(catalogue, of(slotted="", plural=("", ""))))
    assert len(found) == len(said)
    assert all(fault.startswith(begun) for fault, begun in zip(found, said, strict=True))


def test_a_guess_is_no_translation() -> None:
    catalogue = of(slotted="Bei %(realm)s anmelden")
    next(message for message in catalogue if message.id).flags.add("fuzzy")
    assert "only guessed" in next(faults(catalogue, of(slotted="")))


def test_completing_keeps_what_is_translated_and_drops_what_is_gone() -> None:
    template = of(plural=("", ""))
    template.add("New")
    found = completed(of(slotted="Bei %(realm)s anmelden", plural=("%(count)d Code", "%(count)d Codes")), template)
    assert {str(message.id): message.string or "" for message in found if message.id} == {
        str(PLURAL): ("%(count)d Code", "%(count)d Codes"),
        "New": "",
    }
