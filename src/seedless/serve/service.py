"""A callout as its configuration states it: keys from files, variables or tokens, backends, rules.

What is read here is read again when the process receives SIGHUP, but for keys of variables and on tokens,
which are kept: a variable is taken out of the environment when it is read, and a token asks for a PIN.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from seedless.nkey import Role
from seedless.serve import config as configurations
from seedless.serve.answer import AccountSigners, configuration_keys, operator_keys
from seedless.serve.backends import open_backends
from seedless.serve.callout import CalloutSetup
from seedless.serve.connection import access_of
from seedless.serve.process import CalloutService
from seedless.serve.rules import decide
from seedless.serve.sealing import Sealing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from seedless.serve.answer import AnswerKeys
    from seedless.serve.config import CalloutConfig, KeySource
    from seedless.serve.delegated_keys import DelegatedKeys
    from seedless.serve.login import Identity, Login, LoginGrant
    from seedless.signer import Signer

    OnToken = Callable[[str], Signer]

__all__ = ["ServiceLoader"]


class ServiceLoader:
    """Read the configuration at *path*, as often as it is called."""

    def __init__(self, path: Path, on_token: OnToken, delegated: DelegatedKeys | None = None) -> None:
        """Take *on_token*, which returns the signer of the key that a PKCS#11 URI names.

        *delegated* has those of the roles whose keys are delegated; without it these are left out.
        """
        self._path = path
        self._on_token = on_token
        self._delegated = delegated
        self._on_tokens: dict[KeySource, Signer] = {}
        self._in_software = configurations.SoftwareKeys()

    def __call__(self) -> CalloutService:
        """Return the service; raise `SeedlessError` with the place of what is not right."""
        config = configurations.load(self._path)
        sealing = None
        if config.curve_key is not None:
            sealing = Sealing(self._in_software.read(config.curve_key, Role.CURVE))
        xkey = str(sealing.public_key) if sealing else ""

        def grant(identity: Identity, login: Login) -> LoginGrant:
            return decide(config.rules, identity, login, validity=config.validity, now=int(time.time()))

        setup = CalloutSetup(
            keys=self._keys(config, xkey),
            backends=open_backends(config.backends),
            grant=grant,
            sealing=sealing,
            bounds=config.bounds,
        )
        system = None
        if config.system_creds or config.system_nkey:
            system = access_of(config.servers, config.tls, config.system_creds, config.system_nkey)
        if self._delegated is not None:
            self._delegated.retain(configurations.delegated_roles(config.accounts))
        return CalloutService(
            account=config.account,
            access=access_of(config.servers, config.tls, config.creds, config.nkey),
            system=system,
            setup=setup,
            listen=config.listen,
        )

    def _keys(self, config: CalloutConfig, xkey: str) -> AnswerKeys:
        response = self._signer(config.signing_key)
        if config.mode == "configuration":
            return configuration_keys(response, config.accounts, config.account, xkey)
        accounts = {
            name: AccountSigners(
                key=keys.key,
                plain=None if keys.signing_key is None else self._signer(keys.signing_key),
                roles=self._roles(name, keys.roles),
            )
            for name, keys in config.accounts.items()
        }
        return operator_keys(config.account, response, accounts, xkey)

    def _roles(self, account: str, sources: Mapping[str, KeySource]) -> dict[str, Signer]:
        roles = {role: self._signer(one) for role, one in sources.items() if one.kind != "delegated"}
        if self._delegated is not None:
            for role in sources.keys() - roles.keys():
                roles[role] = self._delegated.of(account, role)
        return roles

    def _signer(self, source: KeySource) -> Signer:
        if source.kind == "pkcs11":
            if source not in self._on_tokens:
                self._on_tokens[source] = self._on_token(source.place)
            return self._on_tokens[source]
        return self._in_software.read(source, Role.ACCOUNT)
