from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seedless.errors import BadUri
from seedless.pkcs11.uri import KeyUri

texts = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
names = st.from_regex(r"x-[A-Za-z0-9_-]{0,8}", fullmatch=True)
extras = st.dictionaries(names, texts.filter(lambda value: value is not None), max_size=3).map(
    lambda found: tuple(sorted(found.items()))
)
uris = st.builds(
    KeyUri,
    **dict.fromkeys(
        ("token", "manufacturer", "model", "serial", "object", "slot_manufacturer", "slot_description"), texts
    ),
    **dict.fromkeys(
        ("library_manufacturer", "library_description", "module_name", "module_path", "pin_source"), texts
    ),
    id=st.none() | st.binary(max_size=20),
    type=st.sampled_from([None, "public", "private", "cert", "secret-key", "data"]),
    slot_id=st.none() | st.integers(0, 2**64 - 1),
    library_version=st.none() | st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,2})?", fullmatch=True),
    extra=extras,
    extra_query=extras,
)
pieces = st.sampled_from(
    [
        *(
            "pkcs11:",
            "token",
            "id",
            "slot-id",
            "library-version",
            "type",
            "private",
            "pin-source",
            "pin-value",
        ),
        *("=", ";", "&", "?", "/", "%", "%00", "%ff", "%C3%BC", "x-a", "3", "3.2"),
        *(" ", "\n", "ü", "\ud800", "\0"),
    ]
)


@given(uris)
def test_a_uri_reads_back_what_it_wrote(uri: KeyUri) -> None:
    text = str(uri)
    assert KeyUri.parse(text) == uri
    assert text.isascii()
    assert text.isprintable()
    assert " " not in text


@given(
    st.text() | st.lists(pieces).map("".join) | st.lists(pieces).map(lambda found: "pkcs11:" + "".join(found))
)
def test_no_text_makes_parse_raise_anything_but_bad_uri(text: str) -> None:
    try:
        uri = KeyUri.parse(text)
    except BadUri:
        return
    assert KeyUri.parse(str(uri)) == uri
    assert str(KeyUri.parse(str(uri))) == str(uri)
