"""What accounts are pushed to: the servers of a system, a folder, a configuration.

A folder of `<public key>.jwt`, as a full resolver keeps it, as a target. For servers that are stopped.

A server that is running does not look for changes in its folder; it finds what it has not loaded yet.
Deleted accounts are renamed to `.jwt.deleted`, as servers do.

A configuration whose accounts are inside it (`resolver: MEMORY`) as a target; servers reload it.

Only the entries of `resolver_preload` are changed, everything else stays as it was written. The new text is
read again before it replaces the old one, and has to report what was wanted.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from seedless import nats_config
from seedless.errors import StoreError, UsageError, WrongFile
from seedless.nats_config import Map
from seedless.nats_config.server import read_server
from seedless.resolver.protocol import AccountServer, ServerAnswer, ServerReport
from seedless.store import atomic
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from seedless.claims import Operator
    from seedless.jwt import Jwt
    from seedless.nats_config import Configuration


@dataclass(frozen=True, slots=True)
class TargetAnswer:
    """What became of one update or delete: the answers, and the servers from which none came."""

    answers: tuple[ServerAnswer, ...]
    missing: tuple[AccountServer, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every server has done it."""
        return not self.missing and bool(self.answers) and all(answer.ok for answer in self.answers)

    @property
    def failures(self) -> str:
        """What went wrong, by server; empty when nothing did."""
        failed = [f"{answer.server}: {answer.text}" for answer in self.answers if not answer.ok]
        return "; ".join([*failed, *(f"{server}: no answer" for server in self.missing)])


class Target(Protocol):
    """Where accounts are held."""

    @property
    def name(self) -> str:
        """What to call it in a sentence."""

    @property
    def requires_delete_request(self) -> bool:
        """Whether deleting requires a delete request."""

    @property
    def server_reports(self) -> tuple[ServerReport, ...]:
        """Every server, with what it reports of itself."""

    @property
    def holdings(self) -> Mapping[AccountServer, frozenset[str]]:
        """The public keys of the accounts that each server holds."""

    def held(self, accounts: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return what the servers hold of each of *accounts*: a text for each server, empty for none."""

    def update(self, accounts: Sequence[Jwt[object]]) -> list[TargetAnswer]:
        """Put each of *accounts* everywhere; after a silence the rest is not sent, and has no answers."""

    def who_deletes(self) -> TargetAnswer:
        """Ask every server whether it deletes accounts at all."""

    def delete(self, accounts: Sequence[str], request: str) -> TargetAnswer:
        """Delete *accounts* everywhere, by the *request*, a jwt, where servers require one."""


# Other names in the folder are left alone: servers keep `.jwt.deleted` there.
_FILE = re.compile(r"(A[A-Z2-7]{55})\.jwt")


class FolderTarget:
    """A resolver's folder; a `Target` with one server, which is trusted to have the store's operator."""

    requires_delete_request: Final = False

    def __init__(self, path: Path, operator: Jwt[Operator]) -> None:
        """Take the folder *path*; raise `UsageError` when there is none."""
        if not path.is_dir():
            raise UsageError(
                f"there is no folder {shown(path)}", f"create it: mkdir -m 700 {shlex.quote(str(path))}"
            )
        self._path: Final = path
        self._server: Final = AccountServer("", str(path))
        self.server_reports: Final = (
            ServerReport(self._server, (operator,), operator.claims.body.system_account, 0),
        )

    @property
    def name(self) -> str:
        """The folder."""
        return str(self._server)

    @property
    def holdings(self) -> Mapping[AccountServer, frozenset[str]]:
        """The keys of the accounts in the folder, as they are now."""
        found = (_FILE.fullmatch(name) for name in atomic.names(self._path))
        return {self._server: frozenset(match[1] for match in found if match)}

    def held(self, accounts: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Read *accounts*; raise `StoreError` when one cannot be read."""
        return {account: (self._text(account),) for account in accounts}

    def update(self, accounts: Sequence[Jwt[object]]) -> list[TargetAnswer]:
        """Write *accounts*: all of them or none."""
        # A run that was killed has left temporary files. A resolver ignores names that are not `.jwt`, but
        # they would stay forever.
        atomic.sweep(self._path)
        atomic.write({self._file(account.claims.sub): account.text for account in accounts})
        return [TargetAnswer((ServerAnswer(self._server, ok=True, text="written"),)) for _ in accounts]

    def who_deletes(self) -> TargetAnswer:
        """Report yes: nobody is asked."""
        return TargetAnswer((ServerAnswer(self._server, ok=True, text="a folder"),))

    def delete(self, accounts: Sequence[str], request: str) -> TargetAnswer:  # noqa: ARG002 - a folder obeys without
        """Rename the files of *accounts*; what is not there is deleted already."""
        for account in accounts:
            file = self._file(account)
            with atomic.store_errors("renamed", file):
                if file.exists():
                    # Renamed and not removed, as servers do it: a delete by mistake can be undone by
                    # hand.
                    file.replace(file.with_name(f"{file.name}.deleted"))
        return TargetAnswer((ServerAnswer(self._server, ok=True, text=f"deleted {len(accounts)} accounts"),))

    def _file(self, account: str) -> Path:
        return self._path / f"{account}.jwt"

    def _text(self, account: str) -> str:
        data = atomic.read(self._file(account))
        try:
            return "" if data is None else data.decode("ascii").strip()
        except UnicodeDecodeError as error:
            raise StoreError(f"{shown(self._file(account))} is damaged: it is not ASCII") from error


_PRELOAD = "resolver_preload"
_ENTRY = re.compile(r"""(["']?)(A[A-Z2-7]{55})\1[ \t]*[:=]?[ \t]*(["']?)([\w\-.=]+)\3[ \t]*[,;]?""", re.ASCII)
# nsc writes the name of the account above its entry; a deleted account takes its comment along, any other
# comment stays.
_COMMENT = re.compile(r"(?:[ \t]*// Account [^\n]*\n)?[ \t]*\Z")
_LINE_END = re.compile(r"[ \t]*(?:\r?\n){0,2}")


@dataclass(frozen=True, slots=True)
class _PreloadBlock:
    """A text, where the inside of `resolver_preload` begins in it (None: nowhere), and its entries."""

    text: str
    inside: int | None
    entries: Mapping[str, re.Match[str]]

    def edited(self, accounts: Mapping[str, Jwt[object]], gone: Collection[str]) -> str:
        """Return the text with *accounts* in it, and without those that are *gone*."""
        text = self.text
        # From the end to the beginning, so that the positions of what is still to be changed stay right.
        for key, match in sorted(self.entries.items(), key=lambda item: item[1].start(), reverse=True):
            if key in gone:
                comment = _COMMENT.search(text, 0, match.start())
                end = _LINE_END.match(text, match.end())
                text = text[: comment.start() if comment else 0] + text[end.end() if end else match.end() :]
            elif key in accounts:
                text = text[: match.start(4)] + accounts[key].text + text[match.end(4) :]
        # In the form that nsc writes, so that either tool finds and replaces the entries of the other.
        new = "".join(
            map(_written, (account for key, account in accounts.items() if key not in self.entries))
        )
        if not new:
            return text
        if self.inside is None:
            return f"{text.rstrip()}\n\n{_PRELOAD}: {{{new}}}\n"
        return text[: self.inside] + new + text[self.inside :].lstrip("\n")


class MemoryTarget:
    """The accounts of a configuration; a `Target` with one server."""

    requires_delete_request: Final = False

    def __init__(self, path: Path, environment: Mapping[str, str], now: int) -> None:
        """Read the configuration *path*; raise `UsageError` unless it can be read and accounts are in it."""
        try:
            configuration = nats_config.load(path, environment)
            answer = read_server(configuration, now)
        except StoreError as error:
            raise WrongFile(error.message, error.hint) from error
        if answer.resolver != "MEM":
            raise UsageError(
                f"the accounts of {shown(path)} are not inside it (resolver: MEMORY)",
                "push to the servers, --url, or into the folder of the resolver, --dir",
            )
        self._path: Final = path
        self._environment: Final = environment
        self._server: Final = AccountServer("", str(path))
        operators = tuple(preloaded.jwt for preloaded in answer.operators if preloaded.jwt)
        self.server_reports: Final = (ServerReport(self._server, operators, answer.system_account, 0),)
        self._block = _block(configuration)

    @property
    def name(self) -> str:
        """The file."""
        return str(self._server)

    @property
    def holdings(self) -> Mapping[AccountServer, frozenset[str]]:
        """The keys of the accounts in the configuration."""
        return {self._server: frozenset(self._block.entries)}

    def held(self, accounts: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return the texts of *accounts*."""
        entries = self._block.entries
        return {account: (entries[account][4] if account in entries else "",) for account in accounts}

    def update(self, accounts: Sequence[Jwt[object]]) -> list[TargetAnswer]:
        """Write *accounts* into the configuration: all of them or none."""
        self._write({account.claims.sub: account for account in accounts}, ())
        return [TargetAnswer((ServerAnswer(self._server, ok=True, text="written"),)) for _ in accounts]

    def who_deletes(self) -> TargetAnswer:
        """Report yes: nobody is asked."""
        return TargetAnswer((ServerAnswer(self._server, ok=True, text="a file"),))

    def delete(self, accounts: Sequence[str], request: str) -> TargetAnswer:  # noqa: ARG002 - a file obeys without
        """Take *accounts* out of the configuration."""
        self._write({}, accounts)
        return TargetAnswer((ServerAnswer(self._server, ok=True, text=f"deleted {len(accounts)} accounts"),))

    def _write(self, accounts: Mapping[str, Jwt[object]], gone: Collection[str]) -> None:
        texts = {key: match[4] for key, match in self._block.entries.items()}
        texts |= {key: account.text for key, account in accounts.items()}
        entries_wanted = {key: text for key, text in texts.items() if key not in gone}
        text = self._block.edited(accounts, gone)
        block = _block(nats_config.parse(text, str(self._path), self._environment))
        # The text is edited by expressions and checked by the parser that reads configurations as servers
        # do: where the two disagree nothing is written.
        if {key: match[4] for key, match in block.entries.items()} != entries_wanted:
            raise StoreError(
                f"{shown(self._path)} cannot be changed as required",
                "write it again: seedless server config --mem-resolver",
            )
        atomic.write({self._path: text})
        self._block = block


def _block(configuration: Configuration) -> _PreloadBlock:
    """Return the block of the first file; raise `StoreError` for accounts that are written elsewhere."""
    file, text = next(iter(configuration.files.items()))
    lines = [0]
    # By line feeds alone, as the lexer of nats-server counts lines: `splitlines` ends them at form feeds
    # and other separators too.
    for line in text.split("\n"):
        lines.append(lines[-1] + len(line) + 1)
    member = configuration.root.find(_PRELOAD)
    if member is None or not isinstance(member.value, Map):
        return _PreloadBlock(text, None, {})
    entries = {}
    for account in member.value.each():
        match = _ENTRY.match(text, lines[account.place.line - 1] + account.place.column - 1)
        if match is None or account.place.file != file or match[2] != account.key:
            raise StoreError(
                f"{account.place}: this account is not written as KEY: jwt in {shown(file)} itself",
                "write it so, or name the file that it is in",
            )
        entries[account.key] = match
    place = member.value.place
    return _PreloadBlock(text, lines[place.line - 1] + place.column if place.file == file else None, entries)


def _written(account: Jwt[object]) -> str:
    """Return an entry as nsc writes it."""
    return f"\n  // Account {quoted(account.claims.name)}\n  {account.claims.sub}: {account.text}\n"
