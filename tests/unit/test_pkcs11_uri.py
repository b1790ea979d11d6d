from __future__ import annotations

import pytest

from seedless.errors import BadUri
from seedless.pkcs11.uri import KeyUri


def test_every_attribute_of_the_rfc_is_read() -> None:
    text = (
        "pkcs11:token=Software%20PKCS%2311%20softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;serial=00ab"
        ";slot-description=Sun%20Metaslot;slot-id=3;slot-manufacturer=S;library-description=Soft%20Token"
        ";library-manufacturer=L;library-version=3.2;object=my-signing-key;id=%69%00%FF;type=private"
        "?module-name=soft&module-path=/usr/lib/libsoft.so&pin-source=file:/etc/pin"
    )
    assert KeyUri.parse(text) == KeyUri(
        token="Software PKCS#11 softtoken",
        manufacturer="Snake Oil, Inc.",
        model="1.0",
        serial="00ab",
        slot_description="Sun Metaslot",
        slot_id=3,
        slot_manufacturer="S",
        library_description="Soft Token",
        library_manufacturer="L",
        library_version="3.2",
        object="my-signing-key",
        id=b"i\x00\xff",
        type="private",
        module_name="soft",
        module_path="/usr/lib/libsoft.so",
        pin_source="file:/etc/pin",
    )


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        pytest.param("pkcs11:", "pkcs11:", id="nothing"),
        pytest.param("PKCS11:token=a", "pkcs11:token=a", id="scheme-in-capitals"),
        pytest.param("pkcs11:object=o;token=t", "pkcs11:token=t;object=o", id="order"),
        pytest.param("pkcs11:id=abc", "pkcs11:id=%61%62%63", id="id-wholly-encoded"),
        pytest.param("pkcs11:token=%61%7e", "pkcs11:token=a~", id="needless-encoding"),
        pytest.param(
            "pkcs11:token=a%3bb%2fc%3Fd", "pkcs11:token=a%3Bb%2Fc%3Fd", id="delimiters-stay-encoded"
        ),
        pytest.param("pkcs11:token=a&b", "pkcs11:token=a&b", id="ampersand-in-path"),
        pytest.param("pkcs11:?module-path=/a%26b?c", "pkcs11:?module-path=/a%26b?c", id="ampersand-in-query"),
        pytest.param("pkcs11:token=%C3%BC", "pkcs11:token=%C3%BC", id="utf-8"),
        pytest.param("pkcs11:token=", "pkcs11:token=", id="empty-value"),
        pytest.param("pkcs11:slot-id=007", "pkcs11:slot-id=7", id="leading-zeros"),
        pytest.param("pkcs11:token=t?", "pkcs11:token=t", id="empty-query"),
        pytest.param("pkcs11:x-b=2;x-a=1;token=t?x-c=/", "pkcs11:token=t;x-a=1;x-b=2?x-c=/", id="vendor"),
    ],
)
def test_a_uri_is_written_in_one_way(text: str, canonical: str) -> None:
    assert str(KeyUri.parse(text)) == canonical
    assert KeyUri.parse(canonical) == KeyUri.parse(text)


SECRET = "s3cret"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(f"token={SECRET}", "this is not a PKCS#11 URI", id="no-scheme"),
        pytest.param("", "this is not a PKCS#11 URI", id="empty"),
        pytest.param(
            f"pkcs11:token=t?pin-value={SECRET}", "the PKCS#11 URI holds a pin-value", id="pin-value"
        ),
        pytest.param(
            f"pkcs11:pin-value={SECRET}", "the PKCS#11 URI holds a pin-value", id="pin-value-in-path"
        ),
        pytest.param(f"pkcs11:token=a;token={SECRET}", "the attribute token occurs twice", id="twice"),
        pytest.param(f"pkcs11:x-a=1;x-a={SECRET}", "the attribute x-a occurs twice", id="vendor-twice"),
        pytest.param(
            f"pkcs11:?pin-source=a&pin-source={SECRET}", "pin-source occurs twice", id="query-twice"
        ),
        pytest.param(f"pkcs11:colour={SECRET}", "has no attribute colour", id="unknown"),
        pytest.param(f"pkcs11:Token={SECRET}", "has no attribute Token", id="case"),
        pytest.param(f"pkcs11:?token={SECRET}", "token is on the wrong side of the ?", id="path-in-query"),
        pytest.param(f"pkcs11:module-path={SECRET}", "module-path is on the wrong side", id="query-in-path"),
        pytest.param(f"pkcs11:{SECRET}", "is not NAME=VALUE", id="no-value"),
        pytest.param(f"pkcs11:={SECRET}", "is not NAME=VALUE", id="no-name"),
        pytest.param(f"pkcs11:token=a;;serial={SECRET}", "is not NAME=VALUE", id="empty-attribute"),
        pytest.param(f"pkcs11:token=a;{SECRET}", "is not NAME=VALUE", id="trailing-word"),
        pytest.param(f"pkcs11:token=a {SECRET}", "must be percent-encoded", id="blank"),
        pytest.param(f"pkcs11:token=a/{SECRET}", "must be percent-encoded", id="slash-in-path"),
        pytest.param(f"pkcs11:token=ü{SECRET}", "must be percent-encoded", id="umlaut"),
        pytest.param(f"pkcs11:token={SECRET}%2", "must be percent-encoded", id="half-an-escape"),
        pytest.param(f"pkcs11:token={SECRET}%zz", "must be percent-encoded", id="no-escape"),
        pytest.param(f"pkcs11:token={SECRET}\n", "must be percent-encoded", id="line-end"),
        pytest.param(
            f"pkcs11:token={SECRET}%ff", "the attribute token of the PKCS#11 URI is not UTF-8", id="latin-1"
        ),
        pytest.param(f"pkcs11:token={SECRET}%00", "holds a NUL", id="nul"),
        pytest.param(f"pkcs11:slot-id={SECRET}", "slot-id of a PKCS#11 URI is not a number", id="slot-word"),
        pytest.param(
            "pkcs11:slot-id=%D9%A3", "slot-id of a PKCS#11 URI is not a number", id="slot-arabic-digit"
        ),
        pytest.param(
            "pkcs11:slot-id=18446744073709551616", "slot-id of a PKCS#11 URI is too large", id="slot-2**64"
        ),
        pytest.param("pkcs11:slot-id=" + "9" * 5000, "is not a number", id="slot-5000-digits"),
        pytest.param(
            f"pkcs11:type={SECRET}", "the attribute type of a PKCS#11 URI has an unknown", id="type"
        ),
        pytest.param("pkcs11:library-version=3.256", "is not like 3 or 3.2", id="version-too-large"),
        pytest.param(f"pkcs11:library-version={SECRET}", "is not like 3 or 3.2", id="version-word"),
    ],
)
def test_what_is_refused_is_named_and_its_value_is_not(text: str, message: str) -> None:
    with pytest.raises(BadUri) as refused:
        KeyUri.parse(text)
    assert message in refused.value.message
    assert SECRET not in refused.value.message + refused.value.hint
    assert refused.value.__cause__ is None
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"token": "\ud800"}, id="surrogate"),
        pytest.param({"object": "a\0b"}, id="nul"),
        pytest.param({"slot_id": -1}, id="negative-slot"),
        pytest.param({"type": "key"}, id="unknown-type"),
        pytest.param({"extra": (("y", "1"),)}, id="vendor-without-x"),
        pytest.param({"extra": (("x-b", "1"), ("x-a", "1"))}, id="vendor-unsorted"),
        pytest.param({"extra": (("x-a", "1"), ("x-a", "2"))}, id="vendor-twice"),
        pytest.param({"extra_query": (("x-a=1&pin-value", "1"),)}, id="vendor-smuggles"),
    ],
)
def test_a_uri_that_could_not_be_written_cannot_be_made(values: dict[str, str]) -> None:
    with pytest.raises(BadUri):
        KeyUri(**values)
