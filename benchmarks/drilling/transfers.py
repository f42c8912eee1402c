"""Downloads that are cut, answered by something else, sent elsewhere, or changed meanwhile."""

from __future__ import annotations

import hashlib
from random import Random

from drilling import light
from drilling.ground import Ground
from drilling.report import Report
from drilling.server import Server, serving


def digest_of(body: bytes) -> str:
    """Return a digest as sources state it."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def misbehave(ground: Ground, random: Random, n: int) -> Report:
    """Let a server misbehave in every way, with a digest in the source and without."""
    report = Report("downloads")
    body, other = random.randbytes(300_000), random.randbytes(300_000)
    for digest in (digest_of(body), None):
        known = "digest known" if digest else "no digest"
        for k in range(max(1, min(5, n))):
            cuts = [random.randrange(1, 250_000) for _ in range(1 + k % 2)]
            _expect(ground, report, body, digest, f"cut, {known}", cuts=cuts, whole=True)
        _expect(ground, report, body, digest, f"moved to another address, {known}", path="moved",
                whole=True)
        for path, what in (("page", "an error page in place of the file"),
                           ("login", "moved to a page that asks for a login"),
                           ("404", "status 404"), ("503", "status 503"),
                           ("loop", "moved in a circle")):
            _expect(ground, report, body, digest, f"{what}, {known}", path=path, whole=False)
        for after, what in ((other, "changed meanwhile, same size"),
                            (other[:200_000], "changed meanwhile, shorter"),
                            (other + other, "changed meanwhile, longer")):
            _expect(ground, report, body, digest, f"{what}, {known}", cuts=[150_000],
                    after_cut=after, whole=None if digest is None else False)
    _expect(ground, report, body, digest_of(body), "cut, size not stated, digest known",
            cuts=[150_000], tells_size=False, whole=False, twice=True)
    report.not_tried.append("a file that changes to one of the same size on a server that tells "
                            "no version (ETag, Last-Modified), without a digest in the source: "
                            "nothing could tell")
    return report


def _expect(ground: Ground, report: Report, body: bytes, digest: str | None, what: str, *,
            path: str = "file", cuts: list[int] | None = None, after_cut: bytes | None = None,
            tells_size: bool = True, whole: bool | None, twice: bool = False) -> None:
    """Download once; see that the file is the right one, or that there is none and a message.

    ``whole`` None: the file that is there in the end, all of it.
    """
    with serving(body) as server:
        server.cuts, server.after_cut, server.tells_size = list(cuts or []), after_cut, tells_size
        room = ground.room("download")
        ended = ground.call(light.download, server.url(path), digest, room=room)
        file = room / "data" / "file.bin"
        right = body if whole else server.body
        if whole is False:
            report.check(ended.status == 2 and "to do:" in ended.said
                         and "Traceback" not in ended.said, f"{what}: {ended.said[-600:]}")
            report.check(not file.exists(), f"{what}: a wrong file was kept")
        else:
            report.check(ended.status == 0, f"{what}: {ended.said[-600:]}")
            report.check(file.is_file() and file.read_bytes() == right,
                         f"{what}: the file has other bytes")
        if twice or whole is False and path == "file":
            _again(ground, report, server, room, what, body)
        report.tried[what] += 1


def _again(ground: Ground, report: Report, server: Server, room, what: str, body: bytes) -> None:
    """Run again where the server has recovered: the file is the right one."""
    server.body, server.cuts, server.after_cut = body, [], None
    ended = ground.call(light.download, server.url(), digest_of(body), room=room)
    file = room / "data" / "file.bin"
    report.check(ended.status == 0 and file.is_file() and file.read_bytes() == body,
                 f"{what}, then recovered: {ended.said[-600:]}")
