"""Whether the owners of data and weights can be reached: a question to each, all at once."""

from __future__ import annotations

import re
import threading
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from helpers.core.paths import PACKAGE

TIMEOUT_S = 2.0
TABLES = {"fetch:": "datasets/sources.toml", "": "networks/registry.toml"}
"""What stands before a name in a profile -> the file that lists such names."""


def addresses(profile_text: str) -> list[str]:
    """Return the addresses behind what a profile's text names, one of each host.

    Names in quotes are looked up among the sources of data and the networks; addresses that the
    profile has of its own count, too.
    """
    known = {prefix + key: str(table.get("url", "")).split(" ")[0]
             for prefix, name in TABLES.items()
             for key, table in tomllib.loads((PACKAGE / name).read_text(encoding="utf-8")).items()}
    urls = [known.get(name, name) for name in re.findall(r'"([^"\s]+)"', profile_text)]
    hosts = {urlsplit(url).netloc: url for url in reversed(urls) if url.startswith("http")}
    return sorted(hosts.values())


def reachable(urls: Iterable[str], timeout: float = TIMEOUT_S) -> list[dict]:
    """Ask each address for its head; return host, whether it answered, seconds, and the problem.

    Any answer counts, a refusal too. No longer than twice the timeout is waited for: looking up a
    name knows no timeout.
    """
    found: dict[str, dict] = {}
    threads = [threading.Thread(target=_ask, args=(url, timeout, found), daemon=True)
               for url in dict.fromkeys(urls)]
    deadline = time.monotonic() + 2 * timeout
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    silent = {"answers": False, "seconds": None, "problem": "no answer"}
    return [{"host": urlsplit(url).netloc, **found.get(url, silent)} for url in dict.fromkeys(urls)]


def _ask(url: str, timeout: float, found: dict[str, dict]) -> None:
    begin, answers, problem = time.monotonic(), True, ""
    request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "lab-doctor/1"})
    try:
        with urllib.request.urlopen(request, timeout=timeout):
            pass
    except urllib.error.HTTPError:
        pass  # it answered
    except (OSError, ValueError) as error:
        answers, problem = False, str(getattr(error, "reason", error))[:120]
    found[url] = {"answers": answers, "seconds": round(time.monotonic() - begin, 2),
                  "problem": problem}


def profile_texts(folders: Iterable[Path], name: str = "") -> str:
    """Return the text of a profile (a name or a file), or of all that are found."""
    paths = [Path(name)] if name.lower().endswith(".toml") else [
        path for folder in folders for path in sorted(folder.glob("*.toml"))
        if name in ("", path.stem)]
    texts = []
    for path in paths:
        with suppress(OSError, ValueError):
            texts.append(path.read_text(encoding="utf-8"))
    return "\n".join(texts)
