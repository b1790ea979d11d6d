"""The report: one page, whole in itself, that says what the check has found."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import msgspec

from seedless.ceremony import words
from seedless.ceremony.report import qr_code, report
from seedless.change import Change
from seedless.claims import Account
from seedless.jwt import Claims, draft

if TYPE_CHECKING:
    from typing import Any

    import pytest

    Hall = Any  # the fixture beside this file

T0 = 1_800_000_000  # as in the hall
_VOID = {"meta", "br"}


class Page(HTMLParser):
    """The text of a page, its attributes that could load something, and whether its elements are closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.loads: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [name for name, _ in attrs if name in {"src", "href", "data", "action"}]
        self.loads += [tag] if tag in {"script", "link", "iframe", "object", "img"} else []
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f"{data}\n"


def test_the_page_shows_verdict_people_digests_words_changes_and_keys(hall: Hall) -> None:
    checked = hall.check(*hall.held())
    page = Page(report(checked))
    assert page.open == []
    assert "issuer before" not in page.text
    for text in (
        "Ceremony of ACME",
        "complete",
        "2 jwts, 1 receipt",
        "two accounts",
        "Grace, Ada",
        checked.request.digest,
        checked.policy.digest,
        checked.progress.digest,
        *words.words(bytes.fromhex(checked.progress.digest)),
        *words.words(bytes.fromhex(checked.policy.digest)),
        *words.words(bytes.fromhex(checked.request.digest)),
        "account ORDERS (changed: a tag)",
        "tags: added team:a",
        "2 signed; 2 of 3 required.",
        str(hall.ada.public_key),
        "The tables are statements of a driver, not attestations of a device.",
    ):
        assert text in page.text


def test_the_page_loads_nothing(hall: Hall) -> None:
    checked = hall.check(*hall.held())
    text = report(checked, qr=qr_code(checked.progress.digest))
    assert Page(text).loads == []
    assert "url(" not in text
    assert "@import" not in text


def test_text_from_a_request_stays_text(hall: Hall) -> None:
    request = hall.request(reason='<b onclick="x">')
    checked = hall.check(request.data, hall.sit(hall.review_context(request)))
    text = report(checked)
    assert "&lt;b onclick=&quot;x&quot;&gt;" in text
    assert "<b onclick" not in text


def test_the_digest_of_the_transcript_is_in_the_qr_code(hall: Hall) -> None:
    checked = hall.check(*hall.held())
    qr = qr_code(checked.progress.digest)
    assert qr is not None
    assert qr.startswith("<svg")
    assert f"<figure>{qr}<figcaption>the digest of the transcript</figcaption>" in report(checked, qr=qr)
    assert qr != qr_code("0" * 64)


def test_without_segno_the_page_is_whole(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segno", None)
    checked = hall.check(*hall.held())
    assert qr_code(checked.progress.digest) is None
    assert "<svg" not in report(checked)


def test_a_false_ceremony_has_a_page_with_its_failure_alone(hall: Hall) -> None:
    request, result = hall.held()
    checked = hall.check(request, result.replace(b'"Ada"', b'"Eve"'))
    page = Page(report(checked))
    assert "false" in page.text
    assert "transcript[1].previous is not the hash of what is before it" in page.text
    assert "What was signed" not in page.text


def test_the_command_checks_first_and_writes_the_page(hall: Hall, cli: Any) -> None:  # noqa: ANN401 - a Cli
    request, result = hall.held()
    for name, data in (("request.json", request), ("result.json", result)):
        (cli.home / name).write_bytes(data)
    page = cli.home / "page.html"
    words = [str(cli.home / "request.json"), str(cli.home / "result.json"), "-o", str(page)]
    key = str(hall.operator.public_key)
    data = cli.ok("ceremony", "report", *words, "--operator-key", key, "--json").data
    assert data == {"verdict": "complete", "path": str(page), "has_qr_code": True}
    assert re.match(r"<!doctype html>\n", page.read_text())
    other = str(hall.signing.public_key)
    page.unlink()
    assert cli.run("ceremony", "report", *words, "--operator-key", other).code == 3
    assert "false" in page.read_text()


SAFE = {"label": "operator:ACME signing", "token": "SAFE", "serial": "10be1048", "local": "yes"}


def page_with(checked: Any, reported: dict[str, str]) -> Page:  # noqa: ANN401 - a CeremonyCheck
    """The page of a ceremony whose driver *reported* this of each key."""
    for key in checked.progress.driver_report:
        checked.progress.driver_report[key] = dict(reported)
    return Page(report(checked))


def test_a_key_has_its_name_before_it(hall: Hall) -> None:
    checked = hall.check(*hall.held())
    key = str(hall.operator.public_key)
    assert f"operator ACME<br><code>{key}</code>" in report(checked)
    signer = page_with(checked, SAFE).text
    assert "operator ACME signing\n" in signer
    assert "token SAFE, serial 10be1048" in signer


def test_the_head_warns_when_keys_are_software_and_only_then(hall: Hall) -> None:
    checked = hall.check(*hall.held())
    papers = "made on this token, not extractable; software: the files can be copied"
    warned = page_with(checked, SAFE | {"papers": papers}).text
    assert warned.index("Keys in software") < warned.index("Reason")
    assert ": operator ACME signing. Whoever can copy the files has the keys." in warned
    hardware = page_with(checked, SAFE | {"papers": "made on this token, not extractable"}).text
    assert "Keys in software" not in hardware


def test_what_is_unknown_here_is_shown_too(hall: Hall) -> None:
    text = page_with(hall.check(*hall.held()), SAFE | {"brand new": "yes"}).text
    assert "brand new yes, label operator:ACME signing, local yes" in text


def test_the_page_has_lines_for_signatures_and_page_numbers_in_print(hall: Hall) -> None:
    checked = hall.check(*hall.held())
    text = report(checked)
    assert f'"request {checked.request.digest[:16]}"' in text
    assert 'content: "page " counter(page) " of " counter(pages)' in text
    after = Page(text).text.split("Signatures\n")[1]
    assert after.index("Grace\n") < after.index("Ada\n")
    assert text.count("<td></td><td></td>") == 4  # Grace, Ada, and two who were not named


def test_a_block_of_a_key_is_not_split_over_pages(hall: Hall) -> None:
    text = report(hall.check(*hall.held()))
    assert re.search(r"@media print [^@]*\.block, tr, [^{]*\{ break-inside: avoid", text, re.DOTALL)


def test_the_lines_for_signatures_are_on_one_sheet_with_what_is_signed(hall: Hall) -> None:
    text = report(hall.check(*hall.held()))
    (together,) = re.findall(r'<section class="together">(.*?)</section>', text, re.DOTALL)
    assert together.startswith("<h2>Signatures</h2><p>I was there, and the digests of request, policy and")
    assert together.endswith("</table>")
    assert re.search(r"@media print [^@]*\.together \{ break-inside: avoid", text, re.DOTALL)


def test_the_report_names_the_programs_of_both_machines(hall: Hall) -> None:
    text = Page(report(hall.check(*hall.held()))).text
    assert re.search(r"\nPrepared with\n.+\nSigned with\n.+\n", text)


def test_a_jwt_that_another_key_signed_before_shows_both_keys(hall: Hall) -> None:
    body = msgspec.structs.replace(Account.new(), tags=("team:a",))
    claims = Claims(sub=str(hall.orders.public_key), name="ORDERS", body=body)
    by_signing = hall.account_jwt(hall.orders, "ORDERS")
    by_operator = Change(
        draft(claims, hall.operator.public_key, T0 + 100), by_signing, "its issuer", ("ORDERS",)
    )
    request = hall.request(hall.plan(by_operator))
    text = Page(report(hall.check(request.data, hall.sit(hall.review_context(request))))).text
    issuers = text.split("issuer\n")[1].split("issued\n")[0]
    assert issuers.startswith(f"operator ACME\n{hall.operator.public_key}\n")
    assert f"issuer before\n{hall.signing.public_key}\n" in text
