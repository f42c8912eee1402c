"""Whether what a profile names is there and can be read: found before anything is computed.

    for what, state, remedy in check_profile(load_profile("mine"), data):
        ...

Nothing is drawn, downloaded or written, and no image is shown to a network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from helpers.brains.layouts import read_cohort
from helpers.brains.named_rois import SINGLE_DOMAIN_KEY, require_rois
from helpers.config.data import LOCAL, TRAINING_ONLY, CohortSpec
from helpers.config.profile import OPTIONAL_SOURCES, Profile
from helpers.core.errors import LabError
from helpers.core.paths import format_size
from helpers.datasets.prepare import Spec, absent_error, find_available, locate
from helpers.datasets.sources import DownloadSource, load_source
from helpers.lab import read_images
from helpers.networks import named_layers
from helpers.networks.network import load_network
from helpers.networks.registry import NetworkEntry, OwnEntries, get_entry
from helpers.networks.weight_files import find_weights
from helpers.prepare import named_networks, parts_of
from helpers.stimuli.decode import FORMATS
from helpers.stimuli.domains import require_domains
from helpers.stimuli.image_sets import ImageSet

READABLE, OBTAINABLE, ABSENT, BROKEN = "readable", "obtainable", "absent", "broken"
"""There, and read · not there, but drawn or downloaded by itself when it is needed · not there, and
only you can put it there · there or named, but it cannot be used."""
MAX_DECODED, MAX_OPENED = 500, 20_000
"""Images of one set that are decoded; of a larger set, the first of each category is decoded, and
so many are opened, which reads their size alone."""
EXAMPLES = 3


class Check(NamedTuple):
    """What was found of one thing that a profile names; unpacks as ``what, state, remedy``.

    Attributes
    ----------
    what : str
        Such as "image set 'localizer'".
    state : str
        `READABLE`, `OBTAINABLE`, `ABSENT` or `BROKEN`. The last two must be mended before a run.
    remedy : str
        `READABLE`: what was found, such as "200 images, 5 categories, 5 domains". `OBTAINABLE`:
        where it comes from. Otherwise the three parts of the `LabError`, in three lines: what was
        seen, what was expected, what to do.
    """

    what: str
    state: str
    remedy: str


def check_profile(profile: Profile, data: Path) -> list[Check]:
    """Open every image set, network, cohort and folder that a profile names; compute nothing.

    Parameters
    ----------
    profile : Profile
        From `helpers.config.profile.load_profile`, which refuses a wrong key, layout or source by a
        `LabError` of its own.
    data : Path
        The data directory, ``data_dir(profile.data)``.

    Returns
    -------
    list of Check
        Image sets, networks, cohorts, other folders. Everything is looked at: none of them hides
        another. No `LabError` is raised.
    """
    checks = list(_iter_file_checks(profile, data))
    broken = {check.what for check in checks if check.state == BROKEN}
    return checks + list(_iter_layer_checks(profile, broken))


def _attempt(what: str, check: Callable[..., tuple[str, str] | None], *arguments: object,
             passed: str = "") -> Check:
    """Run a check that returns state and text; or ``passed``, of one that only raises errors."""
    try:
        return Check(what, *(check(*arguments) or (READABLE, passed)))
    except LabError as error:
        return Check(what, BROKEN, str(error))


def _iter_file_checks(profile: Profile, data: Path) -> Iterator[Check]:
    """Check image sets, cohorts, other files and networks."""
    for name, spec in profile.sources.items():
        if spec.source in TRAINING_ONLY:
            continue
        files = _check_files, profile, spec, data
        if name in profile.image_sets:
            for part in parts_of(profile, name):
                yield _attempt(f"image set {'/'.join(filter(None, (name, part)))!r}", *files,
                               partial(_describe_images, profile, name, part))
        elif isinstance(spec, CohortSpec):
            yield _attempt(f"cohort {name!r}", *files, partial(_describe_cohort, profile, name))
        else:
            optional = " (optional: a map is left out)" if name in OPTIONAL_SOURCES else ""
            yield _attempt(f"files {name!r}{optional}", *files, lambda _, folder: str(folder))
    for name in _named_sets(profile):
        if name not in profile.image_sets:
            yield _attempt(f"image set {name!r}", profile.image_set, name)
    for name in named_networks(profile):
        yield _attempt(f"network {name!r}", _check_network, profile, name, data)


def _iter_layer_checks(profile: Profile, broken: set[str]) -> Iterator[Check]:
    """Check the layers that a profile names, but for those of networks that are broken."""
    build_network = named_layers.architecture_builder(profile)

    def can_open(networks: Iterable[str]) -> bool:
        return not broken & {f"network {name!r}" for name in networks}

    for its in named_layers.named_layers(profile):
        if can_open(its.networks):
            yield _attempt(f"layers {its.key!r}", named_layers.check_named_layers, [its],
                           build_network,
                           passed=f"{', '.join(its.layers)} of {', '.join(its.networks)}")
    if profile.lesions and profile.readout and can_open(
            (profile.networks.main, *profile.lesions.compare)):
        yield _attempt("readouts '[readout]'", named_layers.check_readouts, profile, build_network,
                       passed="published, or trained on images of a fitting size")


def _check_files(profile: Profile, spec: Spec, data: Path,
                 describe: Callable[[Spec, Path], str]) -> tuple[str, str]:
    """Find files, and read them by ``describe``."""
    folder = find_available(profile, spec, data)
    if folder is not None:
        return READABLE, describe(spec, folder)
    if spec.source == LOCAL:
        return ABSENT, str(absent_error(profile, spec, data))
    kind, _, name = spec.source.partition(":")
    if kind == "synthetic":
        return OBTAINABLE, "is drawn when it is needed, without a network"
    source = load_source(name)
    if source.by_hand:
        return ABSENT, str(LabError(
            f"{name} is not in {locate(profile, spec, data)}",
            expected=f"it there ({source.size}; terms: {source.licence}); it cannot be fetched "
            "without you", remedy=f"{source.url}: {source.by_hand}"))
    return OBTAINABLE, _describe_download(source)


def _describe_download(source: DownloadSource | NetworkEntry) -> str:
    size = format_size(source.bytes) if source.bytes else "size not stated"
    return f"is downloaded when it is needed: {size} from {source.url} (terms: {source.licence})"


# ---- image sets, cohorts ------------------------------------------------------------------------

def _describe_images(profile: Profile, name: str, part: str, spec: Spec, folder: Path) -> str:
    images = read_images(spec, folder, part)
    if broken := _find_broken(images):
        raise LabError(f"{len(broken)} of {len(images)} images in {images.root} cannot be read: "
                       + "; ".join(error.seen for error in broken[:EXAMPLES]),
                       expected=broken[0].expected, remedy=broken[0].remedy)
    _require_uses(profile, name, part, images)
    counts = {domain: images.domains.count(domain) for domain in images.domain_names}
    listed = ", ".join(f"{domain} {n}" for domain, n in list(counts.items())[:8])
    return (f"{len(images)} images, {len(set(images.categories))} categories, {len(counts)} "
            f"domains ({listed}{' …' * (len(counts) > 8)})")


def _require_uses(profile: Profile, name: str, part: str, images: ImageSet) -> None:
    """Refuse an image set that lacks what the notebooks that use it need."""
    localizers = {"localizer", "probe"}
    if profile.language:
        localizers |= {profile.language.images, profile.language.second_localizer}
    if name in localizers:
        require_domains(images)
    if (name, part) in profile.classified and len(set(images.categories)) < 2:
        raise LabError(f"the images in {images.root} have one category, {images.categories[0]!r}",
                       expected="two or more: a table [lesions], [readout] or [landscape.tasks] "
                       "has them classified", remedy="add the images of another category")
    channels = profile.channels
    if channels and channels.images == name:
        few = {category: n for category in channels.categories
               if (n := images.categories.count(category)) < 2}
        if few:
            raise LabError(f"the images in {images.root} have of the categories in [channels] "
                           + ", ".join(f"{n} {category!r}" for category, n in few.items()),
                           expected="two or more of each; there are "
                           + ", ".join(sorted(set(images.categories))[:20]),
                           remedy="correct the key 'categories' in [channels]")


def _find_broken(images: ImageSet) -> list[LabError]:
    """Return the error of each image that cannot be read, of those that are tried."""
    first = {category: index for index, category in reversed(list(enumerate(images.categories)))}
    decoded = range(len(images)) if len(images) <= MAX_DECODED else first.values()
    step = -(-len(images) // MAX_OPENED)
    opened = set(range(0, len(images), step)) - set(decoded)
    with ThreadPoolExecutor() as pool:
        tried = [*pool.map(partial(_try, images, decode=True), decoded),
                 *pool.map(partial(_try, images, decode=False), opened)]
    return list(filter(None, tried))


def _try(images: ImageSet, index: int, *, decode: bool) -> LabError | None:
    try:
        if not decode:
            with Image.open(images.root / images.files[index], formats=FORMATS):
                return None
        images.open(index)
    except LabError as error:
        return error
    except Exception:  # Pillow raises anything on damaged bytes; what decodes it says it in words
        return _try(images, index, decode=True)
    return None


def _describe_cohort(profile: Profile, name: str, spec: CohortSpec, folder: Path) -> str:
    settings = {key: value for key, value in asdict(spec).items()
                if key not in ("layout", "path", "source")}
    cohort = read_cohort(spec.layout, folder, **settings)
    if name == "cohort" and profile.encoding:
        require_rois(cohort, profile.encoding.single_domain_rois, SINGLE_DOMAIN_KEY)
    regions = {roi for subject in cohort.subjects for roi in cohort.rois(subject)}
    return (f"{len(cohort.subjects)} participants, {len(cohort.stimuli)} images, {len(regions)} "
            "ROIs")


def _named_sets(profile: Profile) -> list[str]:
    """Return the image sets that tables of a profile refer to."""
    named = ["localizer", *(images for images, _ in profile.classified)]
    named += [profile.channels.images] if profile.channels else []
    if profile.language:
        named += [profile.language.images, profile.language.second_localizer]
    return list(dict.fromkeys(filter(None, named)))


# ---- networks -----------------------------------------------------------------------------------

def _check_network(profile: Profile, name: str, data: Path) -> tuple[str, str]:
    entry = get_entry(name, OwnEntries(profile))
    weights = find_weights(entry, data, seed=profile.seed)
    if weights is None and entry.trained and not entry.folder:
        if not entry.url:
            return ABSENT, str(LabError(
                f"no weights of {name!r}", expected=f"data/zoo/{entry.file}",
                remedy="make zoo trains the demo networks again"))
        return OBTAINABLE, _describe_download(entry)
    network = load_network(entry, weights, seed=profile.seed)
    how = weights.name if weights else ("of its function" if entry.trained else
                                        "drawn from its seed when it is needed")
    return READABLE, f"{len(network.layers)} layers, weights {how}"
