"""The commands of nsc 2.13, and what does the same here; coming-from-nsc.md has their flags."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "init": "operator add --sys --generate-signing-key",
    "add operator": "operator add",
    "add account": "account add",
    "add user": "user add",
    "add export": "account export add",
    "add import": "account import add",
    "add mapping": "account mapping add",
    "edit operator": "operator edit",
    "edit account": "account edit",
    "edit user": "user edit",
    "edit export": "account export edit",
    "edit signing-key": "account signing-key edit",
    "edit authcallout": "account authcallout",
    "delete account": "account delete",
    "delete user": "user delete",
    "delete export": "account export remove",
    "delete import": "account import remove",
    "delete mapping": "account mapping remove",
    "rename account": "account rename",
    "reissue operator": "operator reissue",
    "describe operator": "operator show",
    "describe account": "account show",
    "describe user": "user show",
    "describe jwt": "show",
    "describe": "show",
    "list operators": "operator list",
    "list accounts": "account list",
    "list users": "user list",
    "list keys": "key list --all",
    "list": "operator list",
    "generate config": "server config",
    "generate creds": "user creds",
    "generate context": "user context",
    "generate profile": "user context",
    "generate activation": "activation new",
    "generate nkey": "key new",
    "generate diagram component": "tree --format mermaid --no-users",
    "generate diagram object": "tree --format mermaid",
    "generate diagram": "tree",
    "export keys": "key export",
    "import keys": "key import",
    "import user": "user import",
    "keys migrate": "key import",
    "revocations add-user": "account revoke",
    "revocations list-users": "account revocations",
    "revocations delete-user": "account unrevoke",
    "revocations add_activation": "account export revoke",
    "revocations list_activations": "account export revocations",
    "revocations delete_activation": "account export unrevoke",
    "select operator": "context select",
    "select account": "context select",
    "env": "context show",
    "validate": "verify",
    "fix": "lint",
    "upgrade-jwt": "sign --upgrade",
}
"""Words of nsc → words here; without those that are alike: push, pull, expirations, import account."""
_NAMES = frozenset({"-n", "--name"})
_ARGUMENTS = _NAMES | {"-u", "--user", "--user-public-key", "-f", "--file", "-d", "--dir"}
"""Options of nsc whose values are arguments here: names always, the others of most commands."""
_OTHER_NAMES = {"-A": "--all", "--output-file": "--output", "--config-file": "--output"}


def translated(words: Sequence[str]) -> tuple[str, list[list[str]]]:
    """Return the command of nsc that *words* begin with, and what may do the same here, the likeliest first.

    Options that are arguments here go, and those that the command here has already; others have the same
    names mostly. The last is the command with --help alone, which all others may be worse than. There are
    none for words that are no command of nsc.
    """
    # The longest first: of `generate diagram object` the shorter `generate diagram` would take the last
    # word for a name.
    for count in (3, 2, 1):
        there = " ".join(words[:count])
        if len(words) >= count and there in COMMANDS:
            here = COMMANDS[there].split()
            split = (word.split("=", 1) if word.startswith("--") else [word] for word in words[count:])
            rest = [_OTHER_NAMES.get(word, word) for word in itertools.chain.from_iterable(split)]
            path = list(itertools.takewhile(lambda word: not word.startswith("-"), here))
            # Options alone: an account may be called like a word of the command.
            known = set(here) - set(path)
            found = [
                [*here, *(word for word in rest if word not in known | left)] for left in (_NAMES, _ARGUMENTS)
            ]
            asks = {"-h", "--help"} & set(rest)
            return there, [*([] if asks else found), [*path, "--help"]]
    return "", []
