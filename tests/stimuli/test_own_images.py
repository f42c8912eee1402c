"""A user's own images: in folders or listed in a table, never written to, refused by name."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.own_profile import HEAD, LOCAL

from helpers import lab, prepare
from helpers.config.profile import load_profile
from helpers.core.errors import LabError
from helpers.core.paths import ROOT
from helpers.profile_check import check_profile
from helpers.runner.freshness import inputs_key
from helpers.selectivity.study import localize_network
from helpers.stimuli.folders import SUFFIXES
from helpers.stimuli.image_sets import DOMAINS, LAYOUTS, floc, image_folder, image_table
from helpers.stimuli.image_source import ImageSource

NETWORKS = """
[networks]
main = "demo-simclr"
untrained = "demo-untrained"
compare = []
pies = ["conv1", "conv5", "fc7"]
heat_map_layer = "fc6"
"""


def picture(path: Path, number: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(path)
    return path


def write_images(folder: Path, categories=("cups", "dogs"), n: int = 3, suffix: str = ".png"):
    for c, category in enumerate(categories):
        for number in range(1, n + 1):
            picture(folder / category / f"{category}-{number}{suffix}", 10 * c + number)
    return folder


@pytest.fixture
def mine(private):
    """Return a function that writes ``mine.toml`` and gives its path."""
    def write(text: str = LOCAL, folder: Path = private) -> str:
        folder.mkdir(exist_ok=True)
        (folder / "mine.toml").write_text(HEAD + text + NETWORKS, encoding="utf-8")
        return str(folder / "mine.toml")
    return write


def opened(path: str):
    return lab.open(path, notebook="none").images("localizer")


# ---- where they lie -----------------------------------------------------------------------------

@pytest.mark.parametrize("where", ["beside the profile", "in the data folder", "absolute", "home"])
def test_a_path_counts_from_the_profile_then_from_the_data_or_is_absolute(where, mine, private,
                                                                          monkeypatch):
    text = LOCAL
    if where == "beside the profile":
        folder = private / "profiles" / "my images"
        write_images(private / "data" / "my images", n=5)  # second choice
    elif where == "in the data folder":
        folder = private / "data" / "my images"
    else:
        folder = private / "elsewhere"
        text = LOCAL.replace('"my images"', repr(str(folder)) if where == "absolute" else
                             '"~/elsewhere"')
        monkeypatch.setenv("HOME", str(private))
    write_images(folder)
    images = opened(mine(text, private / "profiles"))
    assert len(images) == 6 and images.root.resolve() == folder.resolve()


def test_a_profile_may_say_where_its_own_files_begin(mine, private):
    write_images(private / "project" / "my images")
    path = Path(mine(folder=private / "profiles"))
    digest = load_profile(path).digest
    path.write_text('folder = "../project"\n' + path.read_text())
    assert len(opened(str(path))) == 6
    assert load_profile(path).digest == digest, "where files lie decides no result"


def test_own_files_are_read_and_nothing_else(mine, private):
    folder = write_images(private / "my images")
    (folder / "notes.txt").write_text("mine")
    before = {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}
    path = mine()
    assert prepare.prepare(load_profile(path), private / "data") == []
    opened(path)
    assert {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]} == before
    assert not list(private.glob(".my images*")) and not (private / "data").exists()


def test_absent_files_name_every_place_and_are_not_drawn(mine, private):
    with pytest.raises(LabError) as caught:
        opened(mine())
    for part in (str(private / "my images"), str(private / "data" / "my images"), "'path'"):
        assert part in str(caught.value)
    assert not (private / "data").exists()


# ---- the profile is wrong -----------------------------------------------------------------------

@pytest.mark.parametrize("old, new, words", [
    ('"local"', '"locale"', ["'locale'", "mean 'local'"]),
    ('"local"', '"fetch:vpnl-flock"', ["'fetch:vpnl-floc'", "mean 'fetch:vpnl-floc'", "'local'"]),
    ('"local"', '"synthetic:localiser"', ["mean 'synthetic:localizer'", "'local'"]),
    ('"local"', '"my images"', ["'local'", "'fetch:vpnl-floc'", "'synthetic:diet'"]),
    ('"imagefolder"', '"imagefolders"', ["'table'", "mean 'imagefolder'"]),
    ('source =', 'sourc =', ["unknown key 'sourc'", "layout, path, source"]),
])
def test_a_wrong_source_layout_or_key_is_found_on_loading(mine, old, new, words):
    path = mine(LOCAL.replace(old, new))
    with pytest.raises(LabError) as caught:
        load_profile(path)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_prepare_reads_every_set_and_lists_all_that_cannot_be_read(mine, private, capsys):
    write_images(private / "my images")
    (private / "empty").mkdir()
    picture(private / "flat" / "a.png")
    two = "".join(LOCAL.replace("localizer", name).replace("my images", name)
                  for name in ("empty", "flat", "absent"))
    assert prepare.main(["--profile", mine(LOCAL + two)]) == 1
    said = capsys.readouterr().err
    for part in (f"0 images and no class folder in {private / 'empty'}",
                 f"1 images and no class folder in {private / 'flat'}",
                 f"nothing at {private / 'absent'}"):
        assert part in said
    assert "my images" not in said
    assert prepare.main(["--profile", mine(LOCAL)]) == 0


# ---- folders ------------------------------------------------------------------------------------

@pytest.mark.parametrize("suffix", [".bmp", ".tif", ".TIFF", ".webp", ".png", ".jpg"])
def test_every_format_is_read(tmp_path, suffix):
    images = image_folder(write_images(tmp_path / "mine", suffix=suffix))
    assert len(images) == 6
    if suffix not in (".jpg", ".webp"):  # these two lose details
        assert np.asarray(images.open(4)).ravel()[:3].tolist() == [12, 12, 12]


@pytest.mark.parametrize("suffix", [".gif", ".heic", ".AVIF", ".tga"])
def test_a_format_that_is_not_read_is_refused_with_count_and_remedy(tmp_path, suffix):
    folder = write_images(tmp_path / "mine")
    for number in range(50):
        (folder / "dogs" / f"{number}{suffix}").write_bytes(b"x")
    with pytest.raises(LabError, match="50 images in .*dogs that are not read") as caught:
        image_folder(folder)
    assert "save them as PNG" in caught.value.remedy and ".bmp" in caught.value.expected


def test_other_files_are_named_where_images_are_missed(tmp_path):
    folder = write_images(tmp_path / "mine")
    for number in range(3):
        (folder / "zebras" / f"{number}.mat").parent.mkdir(exist_ok=True)
        (folder / "zebras" / f"{number}.mat").touch()
    (folder / "zebras" / "README").touch()
    with pytest.raises(LabError, match="'zebras' in .*, but 3 files as .mat, 1 as no suffix") as c:
        image_folder(folder)
    assert all(suffix in c.value.expected for suffix in SUFFIXES)


def test_images_further_down_or_beside_the_folders_are_refused(tmp_path):
    folder = write_images(tmp_path / "mine")
    picture(folder / "dogs" / "poodles" / "a.png")
    picture(folder / "dogs" / "spaniels" / "b.bmp")
    with pytest.raises(LabError, match="2 images in folders below .*dogs.*: poodles, spaniels"):
        image_folder(folder)
    folder = write_images(tmp_path / "other")
    picture(folder / "a.png")
    with pytest.raises(LabError, match="1 images in .*other beside 2 class folders"):
        image_folder(folder)


def test_no_message_asks_to_delete(tmp_path):
    for path in (ROOT / "helpers" / "stimuli").glob("*.py"):
        for remedy in re.findall(r'remedy=f?"([^"]*)', path.read_text()):
            assert not re.search("delete|again and let", remedy), (path.name, remedy)


@pytest.mark.parametrize("heading", ["category,domain", "class,domain", "Domain;Category",
                                     '"category","domain"'])
def test_classes_are_listed_by_category_or_class(tmp_path, heading):
    folder = write_images(tmp_path / "mine", ("cups", "dogs"))
    mark = ";" if ";" in heading else ","
    rows = [("cups", "tools"), ("dogs", "Faces")]
    if heading.startswith("Domain"):
        rows = [row[::-1] for row in rows]
    (folder / "classes.csv").write_text("\n".join([heading, *map(mark.join, rows)]))
    assert image_folder(folder).domains == ("tools",) * 3 + ("faces",) * 3


def test_without_a_list_a_folder_is_a_domain_in_the_papers_spelling(tmp_path):
    images = image_folder(write_images(tmp_path / "mine", ("Faces", "SCENES", "tools")))
    assert images.domain_names == ("faces", "scenes", "tools")
    assert set(images.categories) == {"Faces", "SCENES", "tools"}


def test_own_categories_in_a_published_layout_are_led_to_the_right_one(tmp_path):
    folder = write_images(tmp_path / "mine", ("adult", "word"))
    with pytest.raises(LabError, match="no images of category 'body'") as caught:
        floc(folder)
    assert "'imagefolder'" in caught.value.remedy and "classes.csv" in caught.value.remedy


# ---- a table ------------------------------------------------------------------------------------

def write_table(folder: Path, text: str | None = None) -> Path:
    write_images(folder)
    lines = [f"{path.relative_to(folder).as_posix()},{path.parent.name}"
             for path in sorted(folder.rglob("*.png"), reverse=True)]
    (folder / "list.csv").write_text("\n".join(["file,category", *lines])
                                     if text is None else text, encoding="utf-8")
    return folder / "list.csv"


def test_a_table_reads_as_its_folders_do(tmp_path, private):
    folder = tmp_path / "mine"
    table = image_table(write_table(folder))
    images = image_folder(folder)
    assert (table.files, table.categories, table.domains, table.classes) == (
        images.files, images.categories, images.domains, images.classes)
    assert table.digest == images.digest
    assert table.halves.tolist() == images.halves.tolist() == [0, 1, 0] * 2


def test_a_table_may_name_domains_absolute_paths_and_come_from_excel(tmp_path):
    far = picture(tmp_path / "far" / "a-1.png", 7)
    write_images(tmp_path / "mine")
    path = write_table(tmp_path / "mine", "\ufeffDomain;Category;File;note\r\n"
                       f"TOOLS;cup;cups\\cups-2.png;x\r\nFaces;dog;{far};\r\n"
                       "tools;cup;./cups/cups-1.png;\r\n")
    images = image_table(path)
    assert images.files == ("cups/cups-1.png", "cups/cups-2.png", str(far))
    assert images.categories == ("cup", "cup", "dog")
    assert images.domains == ("TOOLS", "TOOLS", "faces") and images.classes == ("cup", "dog")
    assert np.asarray(images.open(2))[0, 0, 0] == 7


@pytest.mark.parametrize("text, words", [
    ("file,category\ncups/cups-1.png,cup\ncups/cups-1.png,cup\n",
     ["cups/cups-1.png (line 2)", "cups/cups-1.png (line 3)", "each image once"]),
    ("file,category\ncups/cups-1.png,cup\n./cups/cups-1.png,dog\n",
     ["cups/cups-1.png (line 2)", "cups/cups-1.png (line 3)"]),
    ("file,category\ncups/cups-1.png,cup\ncups/cups-7.png,cup\nno.png,cup\n",
     ["2 of 3 files are absent", "cups/cups-7.png (line 3)", "no.png (line 4)"]),
    ("file,category\n../other/a.png,cup\n", ["outside the table's folder", "line 2", "absolute"]),
    ("file,category\ncups/cups-1.png,\n", ["line 2", "category is empty"]),
    ("file,category\n,cup\n", ["line 2", "file is empty"]),
    ("file,category,domain\ncups/cups-1.png,cup,tools\ncups/cups-2.png,cup,\n",
     ["line 3", "domain is empty"]),
    ("file,category,domain\ncups/cups-1.png,cup,tools\ncups/cups-2.png,cup,faces\n",
     ["line 3", "'faces'", "'tools' further up"]),
    ("file,category\ncups/list.txt,cup\n", ["1 of 1 files are not read as images", "list.txt"]),
    ("file,category\n", ["lists no image"]),
    ("image,label\ncups/cups-1.png,cup\n", ["columns image, label", "file,category"]),
    ("file,category\ncups/cups-1.png,cup,x,y\n", ["line 2", "4 cells"]),
    ("file,category\ncups,cup\n", ["not read as images", "cups (line 2)"]),
])
def test_a_wrong_table_is_refused_by_its_lines(tmp_path, text, words):
    path = write_table(tmp_path / "mine", text)
    with pytest.raises(LabError) as caught:
        image_table(path)
    assert all(word in str(caught.value) for word in [*words, str(path)]), str(caught.value)


def test_a_folder_in_place_of_a_table_and_the_reverse(tmp_path, mine, private):
    path = write_table(tmp_path / "mine")
    with pytest.raises(LabError, match="is a folder(?s:.)*list.csv"):
        image_table(path.parent)
    with pytest.raises(LabError, match="is a file(?s:.)*layout = .table."):
        image_folder(path)
    profile = mine(LOCAL.replace("imagefolder", "table").replace("my images", str(path)))
    assert len(opened(profile)) == 6
    with pytest.raises(LabError, match="no part 'val'(?s:.)*a table of their own"):
        lab.open(profile, notebook="none").images("localizer", "val")


# ---- what depends on them -----------------------------------------------------------------------

def test_a_corrected_domain_or_image_is_another_set(tmp_path):
    folder = write_images(tmp_path / "mine")
    digests = [image_folder(folder).digest]
    for domains in (("tools", "animals"), ("animals", "tools"), ("animals", "animals")):
        (folder / "classes.csv").write_text("category,domain\ncups,{}\ndogs,{}\n".format(*domains))
        digests.append(image_folder(folder).digest)
    for row in ("category\ncups/cups-1.png,a\ncups/cups-2.png,b",
                "category\ncups/cups-1.png,b\ncups/cups-2.png,a"):
        digests.append(image_table(write_table(folder, f"file,{row}\n")).digest)
    assert len(set(digests)) == len(digests)


def test_a_figure_is_stale_after_a_listed_image_or_the_table_changed(mine, private):
    path = write_table(private / "my images")
    profile = load_profile(mine(LOCAL.replace("imagefolder", "table").replace(
        "my images", "my images/list.csv")))
    stamps = [inputs_key(profile, ["localizer"])]
    assert inputs_key(profile, ["localizer"]) == stamps[0]
    picture(private / "my images" / "cups" / "cups-1.png", 200)
    stamps.append(inputs_key(profile, ["localizer"]))
    path.write_text(path.read_text().replace("cups-2.png,cups", "cups-2.png,dogs"))
    stamps.append(inputs_key(profile, ["localizer"]))
    assert len(set(stamps)) == 3


# ---- the page that users read -------------------------------------------------------------------

PAGE = (ROOT / "docs" / "own_images.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_names_what_is_so():
    assert " ".join(SUFFIXES) in PAGE.replace("\n", " ")
    assert all(f"`{domain}`" in PAGE for domain in DOMAINS)
    assert all(f"`{layout}`" in PAGE or f'layout = "{layout}"' in PAGE for layout in LAYOUTS)


def test_the_pages_profile_is_executed_as_written(private):
    """Its folders, its classes.csv and its table, with images that are nobody's."""
    profile_text, (classes, table) = blocks("toml")[0], blocks("csv")
    categories = [line.split(",")[0] for line in classes.splitlines()[1:]]
    folder = write_images(private / "my_images", categories, n=4)
    (private / "mine.toml").write_text(profile_text, encoding="utf-8")
    laboratory = lab.open(str(private / "mine.toml"), notebook="none")
    assert laboratory.images("localizer").domain_names == tuple(categories), "without classes.csv"
    (folder / "classes.csv").write_text(classes, encoding="utf-8")
    images = laboratory.images("localizer")
    assert images.domain_names == ("faces", "tools") and len(images) == 16
    profile = load_profile(str(private / "mine.toml"))
    assert {state for _, state, _ in check_profile(profile, private / "data")} == {"readable"}
    result = localize_network(laboratory.network(profile.networks.main), images)
    assert result.domains == images.domain_names
    assert set(profile.networks.pies) | {profile.networks.heat_map_layer} <= set(result.layers)

    picture(folder / "adults" / "a-1.png")
    picture(folder / "cups" / "cup-1.png")
    (private / "list.csv").write_text(table, encoding="utf-8")
    (private / "mine.toml").write_text(profile_text.replace("imagefolder", "table").replace(
        '"my_images"', '"list.csv"'), encoding="utf-8")
    listed = lab.open(str(private / "mine.toml"), notebook="none").images("localizer")
    assert listed.domains == ("faces", "tools") and listed.classes == ("adults", "cups")


@pytest.mark.parametrize("categories, n, classes, words", [
    (("cups",), 9, "", "have one intact domain: cups"),
    (("cups", "dogs"), 9, "category,domain\ncups,a\ndogs,a\n", "have one intact domain: a"),
    (("cups", "dogs"), 3, "", "too few images in .*cups 2 \\+ 1"),
    (("a", "b", "c", "d"), 1, "category,domain\na,x\nb,x\nc,x\nd,y\n", "x 3 \\+ 0, y 1 \\+ 0"),
])
def test_too_few_images_or_domains_are_refused_before_any_pass(private, mine, monkeypatch,
                                                               categories, n, classes, words):
    folder = write_images(private / "my images", categories, n)
    if classes:
        (folder / "classes.csv").write_text(classes)
    path = mine()
    monkeypatch.setattr(ImageSource, "batches", lambda *_, **__: pytest.fail("shown"))
    laboratory = lab.open(path, notebook="none")
    with pytest.raises(LabError, match=words) as caught:
        localize_network(laboratory.network("demo-simclr"), laboratory.images("localizer"))
    found = {what: text for what, _, text in check_profile(load_profile(path), private / "data")}
    assert found["image set 'localizer'"] == str(caught.value)


def test_the_answer_to_a_corrected_list_is_a_new_one(private, mine):
    """The same images under exchanged domains: every label and t changes sides, none is kept."""
    folder = write_images(private / "my images", ("cups", "dogs"), n=6)
    laboratory = lab.open(mine(), notebook="none")
    network = laboratory.network("demo-simclr")
    t_values = []
    for domains in (("faces", "tools"), ("tools", "faces")):
        (folder / "classes.csv").write_text("category,domain\ncups,{}\ndogs,{}\n".format(*domains))
        result = localize_network(network, laboratory.images("localizer"))
        t_values.append(result.t_mean["fc6"][result.domains.index("tools")])
    np.testing.assert_allclose(t_values[0], -t_values[1])
    assert np.nanmax(np.abs(t_values[0])) > 0


def test_a_part_that_is_not_there_is_named_with_those_that_are(private, mine):
    write_images(private / "my images" / "val")
    laboratory = lab.open(mine(), notebook="none")
    assert len(laboratory.images("localizer", "val")) == 6
    with pytest.raises(LabError, match="no part 'train'(?s:.)*one of val"):
        laboratory.images("localizer", "train")
