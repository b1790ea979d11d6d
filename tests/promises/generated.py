"""Accounts, users and policies of every kind, made by chance from a seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from seedless.claims import (
    Account,
    Export,
    Import,
    Operator,
    Permission,
    Permissions,
    ResponsePermission,
    Scope,
    Template,
    User,
    WeightedMapping,
)
from seedless.jwt import Claims, Draft, Jwt, draft
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from random import Random

T = TypeVar("T")

RESERVED = ("secret.>", "secret", "*.secret", "secret.a.*", "a.secret.>", "secret.*.a", "*.*.secret")
"""Subjects that the policies reserve, each for itself."""

CONCRETE = (
    *("a", "b", "secret"),
    *(f"{one}.{two}" for one in ("a", "b", "secret") for two in ("a", "b", "secret")),
    *(
        f"{one}.{two}.{three}"
        for one in ("a", "secret")
        for two in ("a", "secret")
        for three in ("a", "secret")
    ),
)
"""What is published."""

PATTERNS = (
    *CONCRETE,
    *(">", "*", "*.*", "*.>", "*.a", "*.secret", "secret.*", "secret.>", "a.*", "a.>", "*.*.*", "*.a.*"),
    *(f"{subject} q1" for subject in (">", "secret", "secret.a", "a.secret", "secret.>", "*.secret")),
    *(f"{subject} q2" for subject in (">", "secret", "secret.a", "secret.*")),
)
"""What is subscribed to."""

_VALUES = ("a", "b", "secret", "u", "a.secret", "*", ">", "a.*", "", "secret.a", "b c", "{{tag(x)}}")
_TEMPLATES = (
    *("{{name()}}", "{{tag(x)}}", "{{tag(y)}}", "{{account-name()}}", "{{account-tag(x)}}", "{{subject()}}"),
    *("{{ TAG(x) }}", "{{nmae()}}", "{{name()", "b{{tag(x)}}"),
)


def signed(key: SoftwareKey, made: Draft[T]) -> Jwt[T]:
    """Return what *made* is with the signature of *key*."""
    return made.complete(key.sign(made.signing_input))


@dataclass
class Member:
    """A user: its key, its jwt, and the draft of it that was judged."""

    key: SoftwareKey
    jwt: Jwt[User]
    draft: Draft[User]


@dataclass
class World:
    """One account with its users, and another that it imports from; `keeper` may do everything in each."""

    operator: str
    account: Jwt[Account]
    draft: Draft[Account]
    exporter: Jwt[Account]
    exporter_draft: Draft[Account]
    keepers: tuple[Member, Member]
    users: list[Member] = field(default_factory=list)


@dataclass
class Generator:
    """Makes worlds under one operator; *now* is Unix seconds."""

    random: Random
    now: int
    operator_key: SoftwareKey = field(default_factory=lambda: SoftwareKey.generate(Role.OPERATOR))

    def operator(self) -> Jwt[Operator]:
        """Return the operator."""
        claims = Claims(sub=str(self.operator_key.public_key), name="O", body=Operator())
        return signed(self.operator_key, self._draft(claims, self.operator_key))

    def world(self) -> World:
        """Return an account with a scope or two and some users of each kind, and one that it imports from."""
        exporter_key, key, plain = (SoftwareKey.generate(Role.ACCOUNT) for _ in range(3))
        scopes = [SoftwareKey.generate(Role.ACCOUNT) for _ in range(2)]
        exporter, exporter_draft = self._account(exporter_key, self._exporter())
        body = self._importer(str(exporter_key.public_key), exporter.claims.body)
        entries = [str(plain.public_key), *(self._scope(scope) for scope in scopes)]
        account, made = self._account(key, msgspec.structs.replace(body, signing_keys=tuple(entries)))
        world = World(
            str(self.operator_key.public_key),
            account,
            made,
            exporter,
            exporter_draft,
            (self._keeper(key), self._keeper(exporter_key)),
        )
        world.users.append(self._user(exporter_key, exporter_key, self._own()))
        for issuer in (key, plain):
            world.users.append(self._user(issuer, key, self._own()))
        for issuer in (*scopes, *scopes):
            tags = self._tags()
            scoped = msgspec.structs.replace(User.scoped(str(key.public_key)), tags=tags)
            world.users.append(self._user(issuer, key, scoped))
        return world

    def _draft(self, claims: Claims[T], key: SoftwareKey) -> Draft[T]:
        return draft(claims, key.public_key, self.now - 10)

    def _account(self, key: SoftwareKey, body: Account) -> tuple[Jwt[Account], Draft[Account]]:
        claims = Claims(sub=str(key.public_key), name=self._some(_VALUES[:7]), body=body)
        made = self._draft(claims, self.operator_key)
        return signed(self.operator_key, made), made

    def _user(self, issuer: SoftwareKey, account: SoftwareKey, body: User) -> Member:
        if issuer is not account:
            body = msgspec.structs.replace(body, issuer_account=str(account.public_key))
        key = SoftwareKey.generate(Role.USER)
        made = self._draft(Claims(sub=str(key.public_key), name=self._some(_VALUES), body=body), issuer)
        return Member(key, signed(issuer, made), made)

    def _keeper(self, account: SoftwareKey) -> Member:
        everything = Permission(allow=(">",))
        body = msgspec.structs.replace(User.new(), pub=everything, sub=everything)
        return self._user(account, account, body)

    def _exporter(self) -> Account:
        exports = [
            Export(subject=self._subject(), type=self._some(("stream", "service")))
            for _ in range(self._some((0, 1, 1, 2)))
        ]
        return msgspec.structs.replace(Account.new(), exports=tuple(exports), mappings=self._mappings())

    def _importer(self, exporter: str, exporting: Account) -> Account:
        imports: list[Import] = []
        for export in exporting.exports:
            if self._by_chance(0.5):
                local = self._like(export.subject) if self._by_chance(0.6) else ""
                wider = export.subject[:-1] + ">" if export.subject.endswith("*") else export.subject
                subject = wider if not local and self._by_chance(0.3) else export.subject
                item = Import(subject=subject, account=exporter, type=export.type, local_subject=local)
                imports.append(item)
        defaults = self._permissions() if self._by_chance(0.5) else Permissions()
        return msgspec.structs.replace(
            Account.new(),
            imports=tuple(imports),
            mappings=self._mappings(),
            default_permissions=defaults,
            tags=self._tags(),
        )

    def _mappings(self) -> dict[str, tuple[WeightedMapping, ...]]:
        if not self._by_chance(0.3):
            return {}
        source = self._subject()
        return {source: (WeightedMapping(subject=self._like(source), weight=self._some((0, 50, 100))),)}

    def _scope(self, key: SoftwareKey) -> Scope:
        held = self._permissions(templates=True)
        template = msgspec.structs.replace(Template.new(), pub=held.pub, sub=held.sub, resp=held.resp)
        return Scope(key=str(key.public_key), role="r", template=template)

    def _own(self) -> User:
        if self._by_chance(0.25):
            return User.new()
        held = self._permissions(templates=self._by_chance(0.1))
        return msgspec.structs.replace(User.new(), pub=held.pub, sub=held.sub, resp=held.resp)

    def _permissions(self, *, templates: bool = False) -> Permissions:
        pub, sub = (self._permission(templates=templates, queues=name == "sub") for name in ("pub", "sub"))
        resp = ResponsePermission(max=self._some((0, 1, -1)), ttl=0) if self._by_chance(0.15) else None
        return Permissions(pub=pub, sub=sub, resp=resp)

    def _permission(self, *, templates: bool, queues: bool) -> Permission:
        if self._by_chance(0.3):
            return self._trap(templates=templates, queues=queues)
        allow, deny = (
            tuple(self._entry(templates=templates, queues=queues) for _ in range(self._some(counts)))
            for counts in ((0, 1, 1, 2, 2), (0, 0, 0, 1))
        )
        deny += tuple(self._some(RESERVED) for _ in range(self._some((0, 1, 2))))
        return Permission(allow=allow, deny=deny)

    def _trap(self, *, templates: bool, queues: bool) -> Permission:
        """Return what reaches a reserved subject, and a deny that may seem to prevent it."""
        reserved = self._some(RESERVED)
        bait = self._some((reserved, ">", "*.>", "*.*", "*", *CONCRETE[-6:]))
        denials = [reserved, reserved.replace(">", "*"), reserved.replace("*", "a")]
        denials += [f"{reserved} q1", f"{reserved} *", f"{reserved} >"] if queues else []
        if templates:
            tokens = reserved.split(".")
            tokens[-1] = self._some(_TEMPLATES)
            denials.append(".".join(tokens))
        return Permission(
            allow=(bait,), deny=tuple(self._some(denials) for _ in range(self._some((0, 1, 1, 2))))
        )

    def _entry(self, *, templates: bool, queues: bool) -> str:
        if templates and self._by_chance(0.08):  # nobody looks at the entries of a scope before the server
            return str(
                self._some(
                    ("a..b", "secret.> x y", "secret.>\tq1", "\tsecret.a", "secret.>.b", ".secret", "")
                )
            )
        subject = self._subject(template=templates and self._by_chance(0.5))
        queue = self._some((" q1", " q2", " *", " >")) if queues and self._by_chance(0.15) else ""
        return subject + queue

    def _subject(self, *, template: bool = False) -> str:
        if self._by_chance(0.04):
            return ">"
        tokens = [
            self._some(("a", "a", "a", "b", "b", "secret", "*")) for _ in range(self._some((1, 2, 2, 3)))
        ]
        if template:
            tokens[self.random.randrange(len(tokens))] = self._some(_TEMPLATES)
        if self._by_chance(0.25):
            tokens.append(">")
        return ".".join(tokens)

    def _like(self, subject: str) -> str:
        """Return a subject with the wildcards of *subject*: what it may be renamed or mapped to."""
        tokens = [self._some(("a", "b", "secret"))]
        stars = subject.split(".").count("*")
        tokens += [f"${number + 1}" for number in range(stars)]
        self.random.shuffle(tokens)
        return ".".join([*tokens, ">"] if subject.endswith(">") else tokens)

    def _tags(self) -> tuple[str, ...]:
        found = [f"{self._some('xxy')}:{self._some(_VALUES)}" for _ in range(self._some((0, 1, 1, 2)))]
        return tuple(dict.fromkeys(found))

    def _some(self, values: Any) -> Any:  # noqa: ANN401 - one of what is given
        return self.random.choice(values)

    def _by_chance(self, share: float) -> bool:
        return self.random.random() < share
