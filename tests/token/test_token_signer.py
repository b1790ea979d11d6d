"""Keys that a configuration names by their PKCS#11 URI sign for as long as a service runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from seedless import Role
from seedless.app.tokens import open_tokens
from seedless.errors import NoKey, Refused

sys.path.insert(0, str(Path(__file__).parents[1]))

from office import open_office

if TYPE_CHECKING:
    import pytest_softhsm


def test_a_key_is_named_by_its_uri_and_signs_until_the_service_ends(
    few_tokens: None, softhsm_token: pytest_softhsm.Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = open_office(softhsm_token, tmp_path, monkeypatch).workspace()
    with workspace as ws:
        ws.operators.add("ACME").sign()
        account = ws.accounts.add("AUTH").sign()
    public_key = account.claims.sub
    (uri,) = (one.uri for one in ws.inventory().entries if str(one.public_key) == public_key)
    with open_tokens(workspace, policy=workspace.policy) as tokens:
        signer = tokens.signer_at(uri, Role.ACCOUNT)
        assert str(signer.public_key) == public_key
        signer.public_key.verify(signer.sign(b"a message"), b"a message")
        with pytest.raises(NoKey, match="2 keys on the token match"):
            tokens.signer_at(softhsm_token.uri, Role.ACCOUNT)
        with pytest.raises(NoKey, match="0 keys on the token match"):
            tokens.signer_at(f"{softhsm_token.uri};object=other", Role.ACCOUNT)


def test_a_token_that_the_policy_does_not_list_signs_for_no_service(
    few_tokens: None, softhsm_token: pytest_softhsm.Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = open_office(softhsm_token, tmp_path, monkeypatch)
    with office.workspace() as ws:
        ws.operators.add("ACME").sign()
        ((uri, operator),) = ((one.uri, one.public_key) for one in ws.inventory().entries)
    policy = tmp_path / "policy.toml"
    policy.write_text(f'operator = "{operator}"\ntokens = ["0000"]\n')
    workspace = office.workspace(policy=policy)
    with open_tokens(workspace, policy=workspace.policy) as tokens, pytest.raises(Refused, match="P012"):
        tokens.signer_at(uri, Role.OPERATOR)
