"""`python tests/fuzz [SECONDS] [NAME…]`: give each reader spoiled bytes for a while; what breaks is printed.

With atheris, where it is installed, what the code does leads the mutations; without it Hypothesis makes them.
Each reader runs in a process of its own, and begins with the good examples of `samples.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
_SECONDS = 60


def led(name: str, seconds: int) -> None:
    """Let atheris try the reader *name* in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=["seedless"]):
        import readers

    corpus = Path(tempfile.mkdtemp(prefix="seedless-fuzz-"))
    for number, seed in enumerate(readers.READERS[name].seeds):
        (corpus / str(number)).write_bytes(seed)
    scratch = Path(tempfile.mkdtemp(prefix="seedless-fuzz-")) / "it"
    options = [f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=4096", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], lambda data: readers.attempt(name, data, scratch))
    atheris.Fuzz()


def drawn(name: str, seconds: int) -> int:
    """Let Hypothesis try the reader *name*."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        str(HERE / "test_readers.py"),
        "-k",
        f"ours and {name}",
    ]
    env = os.environ | {"FUZZ_EXAMPLES": str(seconds * 200)}
    return subprocess.run(command, check=False, env=env).returncode


def has_atheris() -> bool:
    """Tell whether atheris is installed."""
    import importlib.util

    return importlib.util.find_spec("atheris") is not None


def main(words: list[str]) -> int:
    """Try each reader, or those that *words* name, and return how many have failed."""
    if words[:1] == ["--led"]:
        led(words[1], int(words[2]))
        return 0
    seconds = int(words[0]) if words and words[0].isdecimal() else _SECONDS
    import readers

    names = [word for word in words if not word.isdecimal()] or list(readers.READERS)
    failed = []
    for name in names:
        print(f"{name}: {seconds} seconds", flush=True)
        if has_atheris():
            own = [sys.executable, __file__, "--led", name, str(seconds)]
            code = subprocess.run(own, check=False, cwd=tempfile.mkdtemp(prefix="seedless-fuzz-")).returncode
        else:
            code = drawn(name, seconds)
        failed += [name] if code else []
    print(f"failed: {', '.join(failed) or 'none'}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
