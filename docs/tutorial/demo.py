"""See it work: `make demo` runs this. Keys on a SoftHSM token, a real nats-server, messages through it.

Every line that begins with `$` is a command that is run as it stands, in a folder that is deleted at the end.
Nothing outside that folder is read or written, and nothing is left running.
"""

from __future__ import annotations

import inspect
import os
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import nats
from _stage import PATIENCE, DemoError, Interruption, Screen, Shell, environment, inside, nats_server, write

from pytest_softhsm._errors import SoftHSMError
from seedless.client import connect
from seedless.errors import SeedlessError
from seedless.jwt import read
from seedless.nkey import PublicKey
from seedless.pin import file_pin
from seedless.pkcs11.token import open_token
from seedless.pkcs11.uri import KeyUri

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_SERVER = """\
listen: "127.0.0.1:-1"
ports_file_dir: "."
jetstream { store_dir: "jetstream" }
include "trust.conf"
"""
_NEXT = """
Done. The server has been stopped and the folder is deleted.
Next:
  .venv/bin/seedless --help    the commands; each has --help with an example
  README.md                    a first walk by hand
  docs/howto/softhsm.md        a SoftHSM token of your own, to keep
  make test                    the whole test suite"""


def main() -> int:
    """Run the demo and return its exit code; clean up whatever happens."""
    screen = Screen(coloured=sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    interruption = Interruption()
    try:
        with tempfile.TemporaryDirectory(prefix="seedless-demo-") as folder:
            shell = Shell(screen, Path(folder).resolve(), environment(Path(folder).resolve()))
            with inside(shell):
                keys_and_jwts(shell)
                messages(shell, interruption)
                shell.screen.step(9, "What was made.")
                shell.run("seedless tree")
        print(_NEXT)
    except KeyboardInterrupt:
        return _failed("it was interrupted", 130)
    except SoftHSMError as error:
        return _failed(str(error), 1)
    except SeedlessError as error:
        return _failed(f"{error.message} ({error.hint})" if error.hint else error.message, 1)
    except (DemoError, OSError, nats.errors.Error) as error:
        return _failed(str(error) or f"nothing was heard for {PATIENCE:.0f} seconds", 1)
    return 0


def keys_and_jwts(shell: Shell) -> None:
    """Make the token, the operator, an account and two users."""
    say = shell.screen.step
    print("Keys on a token, a real nats-server that trusts them, and messages through it.")
    print("What follows a $ is run as it stands, in a temporary folder. The PINs are in files (mode 0600).")
    for name in ("SEEDLESS_MODULE", "SEEDLESS_STORE", "SEEDLESS_PIN_SOURCE"):
        shell.screen.command(f"export {name}={shell.environment[name]}")

    say(1, "A token: SoftHSM, a PKCS#11 token in software. A YubiKey or an HSM takes its place later.")
    shell.run("seedless token init --label demo --yes --so-pin-source file:so-pin")

    say(2, "The operator, with its system account. Their keys are made on the token and cannot leave it.")
    shell.run("seedless operator add ACME --sys --yes", show=_is_result)

    say(3, "An account that may use JetStream. What will be signed is shown first.")
    shell.run("seedless account add ORDERS --js-disk-storage 10M --js-streams 1 --js-consumer 10 --yes")

    say(4, "A user with a creds file, as every NATS client takes it: this key is software.")
    shell.run("seedless user add -a ORDERS app --yes", show=_is_result)

    say(5, "A user whose key is on the token too, and who may only publish orders.")
    shell.run(
        "seedless user add -a ORDERS clerk --on-token --allow-pub 'orders.>' --allow-sub '_INBOX.>' --yes",
        show=_is_result,
    )


def messages(shell: Shell, interruption: Interruption) -> None:
    """Start the server and pass messages through it."""
    say = shell.screen.step
    say(6, "A real nats-server that trusts the operator. The accounts are inside its configuration.")
    shell.run("seedless server config --mem-resolver -o trust.conf")
    write(shell.folder / "server.conf", _SERVER)
    shell.run("cat server.conf")
    with nats_server(shell) as url:
        say(7, "With the creds file: nats-py as it comes. It makes a stream, publishes and receives.")
        _converse(shell, interruption, publish_and_receive, url)

        say(8, "With the key on the token: the server's nonce is signed there.")
        _converse(shell, interruption, publish_from_the_token, url)


async def publish_and_receive(url: str) -> str:
    """Log in as app, make a stream, publish and receive."""
    creds = "store/keys/creds/ACME/ORDERS/app.creds"
    async with await nats.connect(url, user_credentials=creds) as app:
        await app.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
        subscription = await app.subscribe("orders.>")
        await app.publish("orders.new", b"one dozen eggs")
        message = await subscription.next_msg(timeout=5)
        return f"app received {message.data.decode()!r} on {message.subject}"


async def publish_from_the_token(url: str) -> str:
    """Log in as clerk, whose key is on the token, and publish into the stream."""
    jwt = read(Path("store/stores/ACME/accounts/ORDERS/users/clerk.jwt").read_text())
    pins, module = file_pin(Path("pin")), Path(os.environ["SEEDLESS_MODULE"])
    with open_token(KeyUri(token="demo"), pins, module=module) as token:
        signer = token.signer(PublicKey.parse(jwt.claims.sub))
        async with await connect(url, signer, jwt) as clerk:
            stored = await clerk.jetstream().publish("orders.new", b"two dozen eggs")
            return f"clerk's message is number {stored.seq} in the stream {stored.stream}"


def _is_result(line: str) -> bool:
    """Tell whether *line* is one of the last, which say what was made, and none of the review."""
    return line.startswith(("operator ", "system account ", "user ", "creds")) and "(new:" not in line


def _converse(
    shell: Shell, interruption: Interruption, step: Callable[[str], Coroutine[object, object, str]], url: str
) -> None:
    """Show the Python of *step*, run it, and show what it returns."""
    _, body = inspect.getsource(step).split('."""\n', 1)
    shell.screen.output(textwrap.indent(textwrap.dedent(body), "  "))
    shell.screen.output(interruption.talk(lambda: step(url)))


def _failed(sentence: str, code: int) -> int:
    sys.stdout.flush()
    print(f"demo: {sentence}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
