from __future__ import annotations

import pytest

from seedless.errors import WrongFile
from seedless.nkey import Role
from seedless.policy import AttestationPins, Validity, Witnesses, changes, of_canonical, read, sentences
from seedless.seeds import SoftwareKey


def key(role: Role, number: int) -> str:
    return str(SoftwareKey(role, bytes([number]) * 32).public_key)


OPERATOR, ACCOUNT, USER = key(Role.OPERATOR, 1), key(Role.ACCOUNT, 2), key(Role.USER, 3)
FIRST = f'operator = "{OPERATOR}"\n'
ROOT = "62760c6a6ef91679f454c8902b80fd009825b3f25da90f1fbace2ec6586cd5a8"
FULL = f"""\
operator = "{OPERATOR}"            # the only one that is trusted
strict-signing-keys = true
tokens = ["1234", "5678"]

[sign]
operator = ["operator"]
operator-signing-key = ["account"]
account-signing-key = ["user"]

[validity.user]
shortest = "1h"
longest = "30d"

[names]
account = ["[A-Z]*"]

[tags]
account = ["team:*"]

[subjects]
too-wide = [">", "*.>"]
reserved = ["$SYS.>"]
wildcard-exports = false

[limits.account]
conn = 1000
disk_storage = "10GiB"

[limits.user]
payload = "1MiB"

[named]
accounts = ["{ACCOUNT}"]
users = ["{USER}"]

[witnesses]
keys = ["{USER}", "{ACCOUNT}"]
threshold = 2

[attestation]
roots = ["{ROOT}"]
required = ["operator", "account"]
"""


def told(text: str) -> str:
    with pytest.raises(WrongFile) as caught:
        read(text.encode(), "policy.toml")
    return caught.value.message


def test_every_key_of_a_policy_is_read() -> None:
    policy = read(FULL.encode())
    assert policy.operator == OPERATOR
    assert policy.strict_signing_keys
    assert policy.tokens == ("1234", "5678")
    assert policy.sign == {
        "operator": ("operator",),
        "operator-signing-key": ("account",),
        "account-signing-key": ("user",),
    }
    assert policy.validity == {"user": Validity(shortest=3600, longest=2592000)}
    assert policy.names == {"account": ("[A-Z]*",)}
    assert policy.tags == {"account": ("team:*",)}
    assert (policy.too_wide, policy.reserved, policy.wildcard_exports) == ((">", "*.>"), ("$SYS.>",), False)
    assert policy.limits == {
        "account": {"conn": 1000, "disk_storage": 10737418240},
        "user": {"payload": 1048576},
    }
    assert policy.named == {"accounts": (ACCOUNT,), "users": (USER,)}
    assert policy.witnesses == Witnesses(keys=(USER, ACCOUNT), threshold=2)
    assert policy.attestation == AttestationPins(roots=(ROOT,), required=("operator", "account"))


def test_the_operator_alone_is_a_policy() -> None:
    policy = read(FIRST.encode())
    assert (policy.sign, policy.wildcard_exports, policy.strict_signing_keys) == (None, True, False)
    assert policy.canonical == f'{{"operator":"{OPERATOR}"}}'.encode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", 'operator is missing: write operator = "O…"', id="nothing"),
        pytest.param("operator = 1", "operator is not text", id="an operator that is not text"),
        pytest.param('operator = "OABC"', "operator is not a public key", id="an operator that is not a key"),
        pytest.param(f'operator = "{ACCOUNT}"', "operator is not the public key of an operator", id="a role"),
        pytest.param("operator = ", "policy.toml: invalid value", id="no TOML"),
        pytest.param(
            FIRST + "tokns = []", "tokns is not a key of a policy, did you mean tokens?", id="a slip"
        ),
        pytest.param(
            FIRST + "[sign]\noperators = []", "sign.operators is not a key of a policy", id="a slip within"
        ),
        pytest.param(FIRST + '[sign]\noperator = ["acount"]', 'sign.operator[0] is "acount"', id="a kind"),
        pytest.param(FIRST + "tokens = []", "tokens is not a list with something in it", id="an empty list"),
        pytest.param(FIRST + "tokens = [1]", "tokens[0] is not text", id="a number in a list"),
        pytest.param(FIRST + "sign = 5", "sign is not a table", id="a number for a table"),
        pytest.param(
            FIRST + "strict-signing-keys = 1", "strict-signing-keys is not true or false", id="a flag"
        ),
        pytest.param(
            FIRST + '[validity.user]\nlongest = "1 month"', "validity.user.longest is not a span", id="span"
        ),
        pytest.param(
            FIRST + "[validity.user]\nlongest = -5", "validity.user.longest is not a number", id="a bare span"
        ),
        pytest.param(
            FIRST + '[validity.user]\nlongest = "1h"\nshortest = "2h"', "shortest is longer than", id="bounds"
        ),
        pytest.param(
            FIRST + "[validity.users]", "validity.users is not a key of a policy", id="a kind of validity"
        ),
        pytest.param(
            FIRST + "[limits.account]\nconn = -1", "limits.account.conn is not a number", id="no limit"
        ),
        pytest.param(
            FIRST + "[limits.account]\nconn = true", "limits.account.conn is not a number", id="true"
        ),
        pytest.param(
            FIRST + '[limits.account]\nconn = "1X"', "limits.account.conn is not a number", id="count"
        ),
        pytest.param(FIRST + '[limits.user]\ndata = "1X"', "limits.user.data is not a number", id="a size"),
        pytest.param(
            FIRST + '[limits.user]\ndata = "9999999T"', "limits.user.data is not a number", id="huge"
        ),
        pytest.param(
            FIRST + "[limits.user]\nconn = 1", "limits.user.conn is not a key", id="a limit of accounts"
        ),
        pytest.param(
            FIRST + '[subjects]\nreserved = ["a..b"]', "reserved[0] is not a subject", id="a subject"
        ),
        pytest.param(
            FIRST + f'[named]\naccounts = ["{USER}"]', "named.accounts[0] is not the public key", id="key"
        ),
        pytest.param(
            FIRST + "[witnesses]\nthreshold = 1", "witnesses has keys and a threshold", id="no witnesses"
        ),
        pytest.param(
            FIRST + f'[witnesses]\nkeys = ["{USER}", "{USER}"]\nthreshold = 2',
            "witnesses.threshold is not between 1 and the 1 keys",
            id="one witness twice",
        ),
        pytest.param(
            FIRST + f'[witnesses]\nkeys = ["{USER}"]\nthreshold = 0',
            "is not between 1 and the 1",
            id="no threshold",
        ),
        pytest.param(
            FIRST + '[attestation]\nrequired = ["operator"]', "attestation has roots", id="no roots"
        ),
        pytest.param(
            FIRST + '[attestation]\nroots = ["63:ec"]',
            "attestation.roots[0] is not a SHA-256 of a certificate's DER",
            id="no digest",
        ),
        pytest.param(
            FIRST + f'[attestation]\nroots = ["{ROOT}"]\nrequired = ["server"]',
            'attestation.required[0] is "server", not one of operator, account, user',
            id="a role without a device",
        ),
    ],
)
def test_what_is_wrong_is_reported_with_its_place(text: str, message: str) -> None:
    assert message in told(text)


def test_all_that_is_wrong_is_reported_at_once() -> None:
    message = told("x = 1\n[names]\ny = 2\n")
    assert message.startswith("policy.toml: x is not a key of a policy")
    assert "names.y is not a key of a policy" in message
    assert "operator is missing" in message


def test_bytes_that_are_no_text_are_reported() -> None:
    with pytest.raises(WrongFile, match=r"^policy.toml: not UTF-8: byte 0xff \(at line 1\)$"):
        read(b"\xff", "policy.toml")


def test_comments_order_and_spelling_do_not_change_the_digest() -> None:
    other = (
        FIRST + '# x\n[limits.account]\ndisk_storage = "10GiB"\n[sign]\naccount = ["user", "activation"]\n'
    )
    again = '[sign]\naccount = ["activation","user"]\n[limits.account]\ndisk_storage = 10737418240\n'
    one, two = read(other.encode()), read((FIRST + again).encode())
    assert one.canonical == two.canonical
    assert one.digest == two.digest


def test_the_digest_is_the_sha256_of_the_canonical_form() -> None:
    policy = read(f'operator = "{OPERATOR}"\ntokens = ["b", "a"]\nstrict-signing-keys = false'.encode())
    assert policy.canonical == f'{{"operator":"{OPERATOR}","tokens":["a","b"]}}'.encode()
    assert policy.digest == "cc2824993ca8898dfb434ccf42c72c8ca03fca53326a3566133501eee1cf1d6b"


@pytest.mark.parametrize(
    "line",
    [line for line in FULL.splitlines()[1:] if " = " in line and not line.startswith("threshold")],
)
def test_every_line_counts_for_digest_and_sentences(line: str) -> None:
    less = FULL.replace(f"{line}\n", "")
    if "witnesses" in less and line.startswith("keys"):
        less = less.partition("[witnesses]")[0]
    if line.startswith("roots"):
        less = less.partition("[attestation]")[0]
    full, other = read(FULL.encode()), read(less.encode())
    assert full.digest != other.digest
    assert sentences(full) != sentences(other)
    assert changes(full, other)


def test_the_threshold_of_the_witnesses_counts() -> None:
    full, other = read(FULL.encode()), read(FULL.replace("threshold = 2", "threshold = 1").encode())
    assert full.digest != other.digest
    assert sentences(other)["witnesses"] == f"A ceremony is witnessed by 1 of {ACCOUNT} and {USER}."


def test_a_policy_is_read_aloud_a_sentence_a_rule() -> None:
    assert list(sentences(read(FULL.encode())).values()) == [
        f"Only the operator {OPERATOR} is trusted.",
        "An account signing key signs user jwts.",
        "An operator key signs operator jwts.",
        "An operator signing key signs account jwts.",
        "No other key signs anything.",
        "The operator is strict: its identity signs no accounts.",
        "Only tokens with the serial 1234 or 5678 sign.",
        "A user jwt holds for 1h at least.",
        "A user jwt holds for 30d at most, and never without an expiry.",
        "The name of an account is like [A-Z]*.",
        "An account has a tag like each of team:*.",
        "Nothing that is allowed or exported is as wide as *.> or >.",
        "Nothing that is allowed or exported reaches $SYS.>.",
        "No export has a wildcard, and no account may have such exports.",
        "The limit conn of an account is 1000 at most.",
        "The limit disk_storage of an account is 10 GiB at most.",
        "The limit payload of a user is 1 MiB at most.",
        f"Of other accounts, only {ACCOUNT} may be named.",
        f"Of users of an auth callout, only {USER} may be named.",
        f"A ceremony is witnessed by 2 of {ACCOUNT} and {USER}.",
        f"An attestation chains to the certificate with the SHA-256 {ROOT}.",
        "The key of an account or an operator signs only if its device attests it.",
    ]


def test_what_a_new_policy_takes_away_is_shown_first() -> None:
    old = read((FIRST + 'tokens = ["1"]\n[limits.account]\nconn = 5\n').encode())
    new = read((FIRST + "strict-signing-keys = true\n[limits.account]\nconn = 6\n").encode())
    assert changes(old, new) == (
        ("removed", "Only tokens with the serial 1 sign."),
        (
            "changed",
            "The limit conn of an account is 5 at most. -> The limit conn of an account is 6 at most.",
        ),
        ("added", "The operator is strict: its identity signs no accounts."),
    )
    assert changes(old, old) == ()


@pytest.mark.parametrize("longest", ["30d", "1y", "999999y", "999999s"])
def test_a_policy_is_read_again_from_its_canonical_text_whatever_its_spans(longest: str) -> None:
    policy = read(f'{FIRST}\n[validity.user]\nlongest = "{longest}"\n'.encode())
    assert of_canonical(policy.canonical) == policy
