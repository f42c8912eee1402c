"""One download: the terms first, resumable, verified, and whole or not there at all."""

from __future__ import annotations

import json
import os
import re
import textwrap
import time
from pathlib import Path

import requests

from helpers.core.console import echo, progress
from helpers.core.errors import LabError
from helpers.core.paths import atomic_write_text, ensure_space, ensure_writable, report_full_disk
from helpers.core.substitute_files import N_BYTES, describe_substitute
from helpers.datasets.sources import DownloadSource, full_digest

ATTEMPTS = 4
BACKOFF_S = 0.5
TIMEOUT_S = 30
CHUNK_BYTES = 100_000
USER_AGENT = "open-laboratory-notebooks/1.0 (reproduction of published figures; python-requests)"


def download(source: DownloadSource, target: Path) -> Path:
    """Download to ``target``: say what under which terms, resume, verify, rename.

    An interrupted download leaves ``<target>.part``, from which the next one goes on.

    Raises
    ------
    LabError
        If no address answers (with what to fetch by hand, and where to put it), if the digest is
        wrong, if the folder is read-only or the disk full. An old ``target`` stays intact.
    """
    ensure_writable(target.parent)
    part = target.with_name(target.name + ".part")
    n_present = part.stat().st_size if part.is_file() else 0
    ensure_space(target.parent, max(source.bytes - n_present, 0), source.name)
    echo(f"Downloading {source.name} ({source.size}) to {target}\n"
         f"  from: {source.url}\n  terms: {source.licence}"
         + (f"\n  please cite: {source.cite}" if source.cite else ""))
    with report_full_disk(target):
        _download_with_retries(source, part, target)
    _verify(source, part)
    os.replace(part, target)
    _origin_path(part).unlink(missing_ok=True)
    return target


def _verify(source: DownloadSource, part: Path) -> None:
    """Compare a download with its digest; without one, see that it is no page of a web server."""
    actual_digest = full_digest(source.digest, part) if source.digest else ""
    if source.digest and actual_digest.startswith(source.digest):
        return
    with part.open("rb") as file:
        found = describe_substitute(file.read(N_BYTES))
    if found:
        seen, remedy = f"What {source.url} sends for {source.name} is {found[0]}", found[1]
    elif source.digest:
        seen = f"The download of {source.name} has the digest {actual_digest}"
        remedy = ("run again (the download then starts anew); if it repeats, the file at "
                  f"{source.url} has changed: do not use it")
    else:
        return
    part.unlink()
    _origin_path(part).unlink(missing_ok=True)
    raise LabError(f"{seen}; it was removed.", remedy=remedy,
                   expected=source.digest or f"the file itself ({source.size})")


def _download_with_retries(source: DownloadSource, part: Path, target: Path) -> None:
    """Try every address, each several times, until ``part`` is whole."""
    session, failures = requests.Session(), []
    for url in source.all_urls:
        for attempt in range(ATTEMPTS):
            time.sleep(BACKOFF_S * (2 ** attempt - 1))
            try:
                return _download_once(source, url, part, session)
            except requests.RequestException as error:
                reason = f"{url}: {textwrap.shorten(str(error), 160)}"
                status = error.response.status_code if error.response is not None else None
                if status is not None and status < 500 and status not in (408, 429):
                    break
        failures.append(reason)
    raise LabError(
        f"{source.name} ({source.size}) could not be downloaded. " + "; ".join(failures),
        expected=f"an answer from {' or '.join(source.all_urls)}",
        remedy=f"connect to the network and run again, or download it elsewhere and put it at "
               f"{target}; its terms: {source.licence}")


def _download_once(source: DownloadSource, url: str, part: Path, session: requests.Session) -> None:
    n_present = part.stat().st_size if part.is_file() else 0
    # identity: a compressed transfer could neither be resumed nor measured.
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    origin = _read_origin(part) if n_present else {}
    if not source.digest and origin.get("url", url) != url:
        n_present, origin = 0, {}  # parts from two addresses: only a digest could tell they agree
    version = origin.get("version", "") if origin.get("url") == url else ""
    if n_present:
        headers["Range"] = f"bytes={n_present}-"
        if version:
            headers["If-Range"] = version  # a file that has changed is then sent from its beginning
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
        start, total = _parse_content_range(response)
        if response.status_code == 416 and total == n_present:
            return  # the part was whole already
        changed = start and (total != (origin.get("total") or total)
                             or version not in ("", _version(response)))
        if changed or response.status_code == 416 or start not in (0, n_present):
            part.unlink(missing_ok=True)  # it does not belong to what is there now: start anew
            raise requests.ConnectionError("the file has changed since its download began")
        response.raise_for_status()
        if not start:
            part.unlink(missing_ok=True)  # it belongs to what was there before
            origin = {"url": url, "version": _version(response), "total": total}
            atomic_write_text(_origin_path(part), json.dumps(origin))
        chunks = progress(response.iter_content(CHUNK_BYTES), f"{source.name}, pieces of 0.1 MB",
                          total=-(-(total - start) // CHUNK_BYTES) if total else None)
        with part.open("ab" if start else "wb") as file:
            for chunk in chunks:
                file.write(chunk)
    if total and part.stat().st_size != total:
        raise requests.ConnectionError(f"{part.stat().st_size} of {total} bytes arrived")


def _parse_content_range(response: requests.Response) -> tuple[int, int]:
    """Return the offset of the first byte sent and the size of the whole (0: not told)."""
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)",
                         response.headers.get("Content-Range", ""))
    if match:
        return int(match[1] or 0), int(match[2]) if match[2] != "*" else 0
    return 0, int(response.headers.get("Content-Length", 0))


def _version(response: requests.Response) -> str:
    """Return what tells one version of a file from another; nothing where a server does not say."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def _origin_path(part: Path) -> Path:
    """Return where it is noted which version of which file a part belongs to."""
    return part.with_name(f".{part.name}.origin")


def _read_origin(part: Path) -> dict[str, str | int]:
    try:
        origin = json.loads(_origin_path(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return origin if isinstance(origin, dict) else {}
