"""Every text that a user may touch × how Excel, Windows and Mac save it: as it was, or named."""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import brain_files as files

from helpers.brains import nod
from helpers.brains.arrays import Arrays
from helpers.brains.coco_annotations import read_annotations
from helpers.brains.deepnsd import FILES, MEASURES, read_deepnsd
from helpers.brains.files import read_mapping, read_names, read_volume
from helpers.brains.hdf5_images import HDF5Images
from helpers.brains.nsd import NSD
from helpers.brains.nsd_files import TABLE
from helpers.brains.sessions import read_session
from helpers.brains.splits import read_presentations
from helpers.config.profile import load_profile
from helpers.config.validation import read_toml
from helpers.core.errors import LabError, one_of
from helpers.core.paths import PACKAGE
from helpers.core.text import read_lines, read_table, read_text
from helpers.datasets.sources import load_source
from helpers.matched_models.training_dynamics import RECORDED_COLUMNS, read_training_record
from helpers.networks.name_embeddings import N_DIMS, RELEASE_FILES, read_name_embeddings
from helpers.networks.text_encoder import read_vocabulary
from helpers.networks.weights import read_state_dict
from helpers.stimuli import image_sets
from helpers.stimuli.decode import decode_rgb
from helpers.stimuli.image_sets import image_folder
from helpers.stimuli.places365 import read_validation
from helpers.training.captioned_images import read_captioned_images

DEMO = PACKAGE / "profiles/demo.toml"


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)


def a_profile(root: Path) -> Path:
    path = root / "mine.toml"
    path.write_text(DEMO.read_text().replace('name = "demo"', 'name = "mine"', 1))
    return path


def a_source(root: Path) -> Path:
    path = root / "sources.toml"
    path.write_text('[one]\nurl = "http://x"\nlicence = "none"\n')
    return path


def classes(root: Path) -> Path:
    for name in ("cat", "dog"):
        image(root / name / "1.png")
    path = root / "classes.csv"
    path.write_text("class,domain\ncat,animals\ndog,faces\n")
    return path


def places(root: Path, name: str) -> Path:
    for number in (1, 2):
        image(root / f"val_256/{number}.jpg")
    (root / "places365_val.txt").write_text("1.jpg 0\n2.jpg 1\n")
    (root / "categories_places365.txt").write_text("/a/airfield 0\n/b/bar 1\n")
    return root / name


def nsd(root: Path, name: str) -> Path:
    files.write_tiny_nsd(root / "nsd", n_subjects=2, n_own=40, shape=(2, 2, 2))
    files.write_tiny_annotations(root / "nsd")
    return root / "nsd" / name


def names(root: Path, name: str) -> Path:
    (root / RELEASE_FILES[0]).write_text(json.dumps([{"id": 1, "name": "cup"}]))
    (root / RELEASE_FILES[2]).write_text("1,Cup,Cup\n2,Tree/Bush,Tree/Bush\n")
    np.save(root / RELEASE_FILES[1], np.ones((1, N_DIMS)))
    np.save(root / RELEASE_FILES[3], np.ones((2, N_DIMS)))
    return root / name


def captions(root: Path) -> Path:
    image(root / "a.png")
    path = root / "captions.json"
    path.write_text(json.dumps({"images": [{"id": 1, "file_name": "a.png"}],
                                "annotations": [{"image_id": 1, "caption": "a cat"}]}))
    return path


def written(root: Path, name: str, text: str) -> Path:
    (root / name).write_text(text)
    return root / name


def imagenet_list(path: Path) -> list:
    image_sets.imagenet_classes.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_sets, "IMAGENET", path)
        found = list(image_sets.imagenet_classes().items())
    image_sets.imagenet_classes.cache_clear()
    return found


def of_images(path: Path) -> tuple:
    found = image_folder(path.parent)
    return found.categories, found.domains


def annotated(path: Path):
    cohort = NSD(path.parents[1], n_pool=4, n_batches=2, n_shared=0, space="func1pt8mm")
    found = read_annotations(cohort)
    return found.captions, found.objects, found.present.tolist()


def published(root, name):
    """Write DeepNSD's three tables with one network and one participant; return one of them."""
    rows = "".join(f"net,Net,clip,webs,{metric},0.5\n" for metric in MEASURES)
    for path, content in zip(FILES, (
            f"model_string,display_name,train_task,train_data,metric,score\n{rows}",
            "subj_id,sim_id,value\n1,0,0.8\n", "voxel_id,subj_id,ncsnr,OTC\nS1-1,1,0.5,1\n")):
        written(root, path, content)
    return root / name


def read_published(path):
    found = read_deepnsd(path.parent)
    return found.scores.to_csv(), found.ceilings


def arrays(root: Path, name: str) -> Path:
    files.write_tiny_arrays(root)
    if name == "images.csv":
        (root / name).write_text("image\n" + "".join(
            f"stimuli/image-{n}.png\n" for n in range(20, 0, -1)))
    return root / name


def of_arrays(path: Path) -> tuple:
    cohort = Arrays(next(folder for folder in path.parents if (folder / "p01").is_dir()))
    return cohort.images, *((cohort.folds(subject)[0].test.tolist(), cohort.rois(subject),
                             cohort.responses(subject, cohort.rois(subject)).vertex.tolist())
                            for subject in cohort.subjects)


CTAB = "nsddata/freesurfer/subj01/label/floc-faces.mgz.ctab"
READERS = {
    "profile": (a_profile, lambda p: load_profile(p).digest),
    "sources.toml": (a_source, lambda p: load_source("one", p)),
    "classes.csv": (classes, of_images),
    "imagenet.csv": (lambda r: written(r, "imagenet.csv", image_sets.IMAGENET.read_text()),
                     imagenet_list),
    "places, images": (lambda r: places(r, "places365_val.txt"),
                       lambda p: read_validation(p.parent)),
    "places, categories": (lambda r: places(r, "categories_places365.txt"),
                           lambda p: read_validation(p.parent)),
    "NSD's table": (lambda r: nsd(r, TABLE), lambda p: read_presentations(p).to_csv()),
    "NSD's names of labels": (lambda r: nsd(r, CTAB), read_names),
    "COCO's captions": (lambda r: nsd(r, "annotations/captions_val2017.json"), annotated),
    "names of LVIS": (lambda r: names(r, RELEASE_FILES[0]),
                      lambda p: read_name_embeddings(p.parent).names),
    "names of Objects365": (lambda r: names(r, RELEASE_FILES[2]),
                            lambda p: read_name_embeddings(p.parent).names),
    "words": (lambda r: written(r, "words.txt", "cat\ndog\n"), read_vocabulary),
    "moments": (lambda r: written(r, "moments.csv", f"{','.join(RECORDED_COLUMNS)}\n" + ",".join(
        "1" for _ in RECORDED_COLUMNS) + "\n"), lambda p: read_training_record(p).to_csv()),
    "published scores": (lambda r: published(r, FILES[0]), read_published),
    "published ceilings": (lambda r: published(r, FILES[1]), read_published),
    **{f"arrays, {name}": (lambda r, name=name: arrays(r, name), of_arrays)
       for name in ("images.csv", "p01/rois.csv", "p02/images.csv")},
    "captions.json": (captions, lambda p: read_captioned_images([p.parent]).captions),
}
NOD = {"NOD's labels": "derivatives/ciftify/sub-01/results/ses-imagenet01_task-imagenet_run-1/"
       "ses-imagenet01_task-imagenet_run-1_label.txt",
       "NOD's areas": "supportfiles/roilbl_mmp.csv"}
SAVED = {"Notepad, UTF-8 with mark": lambda t: t.encode("utf-8-sig"),
         "Notepad, UTF-16": lambda t: t.replace("\n", "\r\n").encode("utf-16"),
         "UTF-16, big-endian": lambda t: "\ufeff".encode("utf-16-be") + t.encode("utf-16-be"),
         "UTF-32": lambda t: t.encode("utf-32"),
         "Windows, ends of lines": lambda t: t.replace("\n", "\r\n").encode(),
         "old Mac, ends of lines": lambda t: t.replace("\n", "\r").encode(),
         "two marks": lambda t: ("\ufeff\ufeff" + t).encode(),
         "DOS, end of file": lambda t: t.encode() + b"\x1a",
         "empty lines at the end": lambda t: t.encode() + b"\n\n"}


@pytest.fixture(params=READERS)
def reader(request, tmp_path):
    make, read = READERS[request.param]
    path = make(tmp_path)
    return path, read


def saved_in_all_ways(path: Path, read) -> None:
    text, expected = path.read_text(), read(path)
    for way, save in SAVED.items():
        path.write_bytes(save(text))
        assert read(path) == expected, way


def refused_in_other_encodings(path: Path, read) -> None:
    content = path.read_bytes()
    n_lines = content.rstrip(b"\n").count(b"\n") + 1
    for spoilt, message in (
            (content.rstrip(b"\n") + b"\xfc\n", rf"line {n_lines}: the byte 0xfc(?s:.)*UTF-8"),
            (content + b"\0" * 9, "a zero byte"),
            (content.decode().encode("utf-16-le"), "line 1: a zero byte(?s:.)*UTF-16"),
            (b"\xff\xfe" + content.decode().encode("utf-16-le")[:-1], "begins like UTF-16")):
        path.write_bytes(spoilt)
        with pytest.raises(LabError, match=message) as found:
            read(path)
        assert path.name in found.value.seen and "delete" not in found.value.remedy


SUBSTITUTES = {
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
    "a pointer of git-annex": b"/annex/objects/MD5E-s3--900150983cd24fb0d6963f7d28e17f72.csv\n",
    "a web page": b"\n<!DOCTYPE html><title>Sign in</title>"}


def refused_substitutes(path: Path, read) -> None:
    for seen, content in SUBSTITUTES.items():
        path.write_bytes(content)
        with pytest.raises(LabError, match=f"it is {seen}") as found:
            read(path)
        assert str(path) in found.value.seen and "cut short" not in found.value.remedy


def test_files_in_place_of_a_text_are_recognised(reader):
    refused_substitutes(*reader)


@pytest.mark.parametrize("name, read", [
    ("a.png", decode_rgb), ("lh.ncsnr.mgh", read_volume), ("betas.hdf5", read_session),
    ("betas.nii.gz", read_session), ("nsd_stimuli.hdf5", HDF5Images), ("roi.npy", read_mapping),
    ("weights.pth", read_state_dict), ("weights.safetensors", read_state_dict)])
def test_files_in_place_of_data_are_recognised(tmp_path, name, read):
    refused_substitutes(tmp_path / name, read)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(LabError, match="it is empty"):
        read(tmp_path / name)


@pytest.mark.slow
def test_every_way_to_save_a_text_is_read_as_it_was(reader):
    saved_in_all_ways(*reader)


def test_other_encodings_are_asked_about_and_never_guessed(reader):
    refused_in_other_encodings(*reader)


@pytest.mark.slow
@pytest.mark.parametrize("name", NOD.values(), ids=NOD)
def test_lists_of_nod_in_all_encodings(once, tmp_path, name):
    made = once("text-nod", lambda r: files.write_tiny_nod(r, n_subjects=1, n_trials=4))
    root = tmp_path / "nod"
    shutil.copytree(made, root)

    def read(path: Path):
        cohort = nod.NOD(root)
        return [path.name for path in cohort.stimuli.paths], cohort.rois("sub-01")

    saved_in_all_ways(root / name, read)
    (root / name).write_bytes((made / name).read_bytes())
    refused_in_other_encodings(root / name, read)


def test_a_text_that_is_absent_or_a_folder_is_reported(tmp_path):
    with pytest.raises(LabError, match="no file .*absent.csv"):
        read_text(tmp_path / "absent.csv")
    with pytest.raises(LabError, match="cannot be read"):
        read_text(tmp_path)


# ---- tables -----------------------------------------------------------------------------------

PLAIN = "class,domain\ncat,animals\ndog,faces\nbig tree,scenes\n"
SAME = {
    "semicolons of Excel": PLAIN.replace(",", ";"), "tabs of Excel": PLAIN.replace(",", "\t"),
    "a line that names the separator": "sep=;\n" + PLAIN.replace(",", ";"),
    "blanks around": PLAIN.replace(",", " , ").replace("\n", " \n"),
    "no-break spaces around": PLAIN.replace(",", "\u00a0,\u00a0"),
    "capitals in the heading": PLAIN.replace("class,domain", "Class,DOMAIN"),
    "quotes": '"class","domain"\n"cat", "animals"\n"dog","faces"\n"big tree","scenes"\n',
    "empty rows": PLAIN.replace("\n", "\n,\n\n"),
    "empty columns at the end": PLAIN.replace("\n", ",,\n"),
    "an index column": ",class,domain\n0,cat,animals\n1,dog,faces\n2,big tree,scenes\n",
    "columns in another order": "domain,class\nanimals,cat\nfaces,dog\nscenes,big tree\n",
    "another column": "class,domain,n\ncat,animals,1\ndog,faces,\nbig tree,scenes,3\n",
    "a class twice": PLAIN + "cat,animals\n",
    "a class that is not there": PLAIN + "fish,animals\n",
    "domains in capitals": PLAIN.replace("faces", "Faces").replace("scenes", "SCENES"),
    "no end of the last line": PLAIN.rstrip("\n")}
WRONG = {
    "": "columns none", "class domain\ncat animals\n": "columns class domain",
    "class,kind\ncat,animals\n": "columns class, kind",
    "class,domain,Class\ncat,animals,x\n": "two columns 'class'",
    PLAIN + "fish\n": "line 5: 1 cells", PLAIN + "fish,animals,x\n": "line 5: 3 cells",
    PLAIN + "fish,\n": "line 5: domain is empty", PLAIN + ",animals\n": "line 5: class is empty",
    PLAIN + '"fish,animals\n': "line 5: a quotation mark",
    PLAIN + '"fish,animals\nbird",animals\n': "line 5: a quotation mark",
    PLAIN + "\n\ncat,faces\n": "line 7: 'cat' has the domain 'faces', and 'animals'",
    PLAIN.replace("dog,", "Dog,"): "list the class 'dog'(?s:.)*did you mean 'Dog'",
    PLAIN.replace("cat,animals\n", "cat;animals\n"): "line 2: 1 cells"}


@pytest.fixture
def three(tmp_path) -> Path:
    for name in ("cat", "dog", "big tree"):
        image(tmp_path / name / "1.png")
    return tmp_path


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_tables_that_mean_the_same_are_read_the_same(three, text):
    (three / "classes.csv").write_text(text)
    found = image_folder(three)
    assert found.categories == ("big tree", "cat", "dog")
    assert found.domains == ("scenes", "animals", "faces")


@pytest.mark.parametrize("text, message", WRONG.items())
def test_tables_that_may_mean_something_else_are_refused(three, text, message):
    (three / "classes.csv").write_text(text)
    with pytest.raises(LabError, match=message) as found:
        image_folder(three)
    assert "classes.csv" in found.value.seen and "delete" not in found.value.remedy


@pytest.mark.parametrize("on_disk, listed", [("NFD", "NFC"), ("NFC", "NFD")])
def test_accents_in_two_parts_are_the_same_name(tmp_path, on_disk, listed):
    image(tmp_path / unicodedata.normalize(on_disk, "gâteau") / "1.png")
    (tmp_path / "classes.csv").write_text(
        f"class,domain\n{unicodedata.normalize(listed, 'gâteau')},food\n", encoding="utf-8")
    found = image_folder(tmp_path)
    assert found.classes == ("gâteau",) and found.domains == ("food",)
    assert found.open(0).size == (8, 8)
    image(tmp_path / unicodedata.normalize(listed, "gâteau") / "1.png")
    with pytest.raises(LabError, match="two folders 'gâteau'"):
        image_folder(tmp_path)


def test_numbers_and_truths_are_checked_cell_by_cell(tmp_path):
    path = written(tmp_path, "t.csv", "n,yes\n3,TRUE\n4.0, no\n1e2,1.0\n")
    table = read_table(path, ("n", "yes"))
    assert table.integers("n").tolist() == [3, 4, 100]
    assert table.booleans("yes").tolist() == [True, False, True]
    for cell in ("1.5", "1,5", "x", "inf", "nan"):
        path.write_text(f"n;yes\n3;True\n{cell};perhaps\n")
        table = read_table(path, ("n", "yes"))
        with pytest.raises(LabError, match=f"t.csv, line 3: n is '{cell}'"):
            table.integers("n")
        with pytest.raises(LabError, match="t.csv, line 3: yes is 'perhaps'"):
            table.booleans("yes")


@pytest.mark.parametrize("change, message", [
    (lambda t: t.replace("True", "perhaps"), "shared1000 is 'perhaps'"),
    (lambda t: t.replace("True", ""), "shared1000 is empty"),
    (lambda t: re.sub(r"(\n0,.*),\d+\n", r"\1,0.5\n", t, count=1), "line 2: subject2_rep2 is '0"),
    (lambda t: t.replace("subject1_rep1", "subject1_repX"), "no column 'subject1_rep1'"),
    (lambda t: t.replace("nsdId", "nsd"), "nsdId")])
def test_a_table_of_presentations_that_was_edited_is_refused(tmp_path, change, message):
    path = nsd(tmp_path, TABLE)
    path.write_text(change(path.read_text()))
    with pytest.raises(LabError, match=message) as found:
        read_presentations(path)
    assert "fetch this file again" not in found.value.remedy


def test_an_empty_cell_means_never_shown_and_separators_do_not_matter(tmp_path):
    path = nsd(tmp_path, TABLE)
    text, expected = path.read_text(), read_presentations(path)
    assert ",0,0,0\n" in text
    columns = [name for name in expected if "_rep" in name or name in ("nsdId", "shared1000")]
    for other in (text.replace(",", ";"), text.replace(",0,0,0\n", ",,,\n"),
                  text.replace("True", "yes").replace("False", "NO")):
        path.write_text(other)
        assert read_presentations(path)[columns].equals(expected[columns])
    crop = read_presentations(path)
    path.write_text(text.replace("(0, 0, 0.1, 0.1)", "(0; 0; 0.1)"))
    assert len(crop) == len(expected)
    with pytest.raises(LabError, match="cropBox of image 0"):
        annotated(path.parents[3] / "annotations/captions_val2017.json")


@pytest.mark.parametrize("line", ["3 FFA-1 and 3 other\n3 other", "x FFA-1", "1.5 FFA-1"])
def test_a_list_of_names_with_a_wrong_line_is_named(tmp_path, line):
    path = written(tmp_path, "names.ctab", f"# a comment\n0 Unknown\n{line}\n")
    with pytest.raises(LabError, match="names.ctab, line [34]"):
        read_names(path)


def test_lines_are_counted_as_an_editor_counts_them(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbfa\x0cb\r\n\r\n  c \r\n")
    assert read_lines(path) == [(1, "a\x0cb"), (3, "c")]


# ---- TOML -------------------------------------------------------------------------------------

@pytest.mark.parametrize("line, advice", [
    ('data = \u201cmine\u201d', "straight"), ("data = \u2018mine\u2019", "straight"),
    (r'data = "C:\Users\me"', "single quotes"), (r'data = "C:\temp\new"', "single quotes"),
    (r'data = "D:\new"', "single quotes"), (r'data = "my\folder"', "single quotes"),
    (r'data = "\\nas\temp"', "single quotes"), ("data =\u00a0'mine'", "no-break"),
    ("flag = True", "small letters"), ("rate = 0,5", "decimal point"),
    ("data = 'a'\ndata = 'b'", "remove one of the two"), ("data = mine", '"quotes"')])
def test_what_editors_do_to_toml_gets_the_right_advice(tmp_path, line, advice):
    path = tmp_path / "mine.toml"
    path.write_text(f"# a profile\n{line}\n", encoding="utf-8")
    with pytest.raises(LabError, match="mine.toml") as found:
        read_toml(path)
    assert advice in found.value.remedy


@pytest.mark.parametrize("line, value", [
    (r"data = 'C:\temp'", r"C:\temp"), (r'data = "C:\\temp"', r"C:\temp"),
    ('data = "C:/temp"', "C:/temp"), ('data = "say \u201cso\u201d"', "say \u201cso\u201d")])
def test_paths_and_quotes_that_are_right_are_read(tmp_path, line, value):
    path = tmp_path / "mine.toml"
    path.write_text(line + "\n", encoding="utf-8")
    assert read_toml(path) == {"data": value}


def test_the_ending_of_a_profile_may_be_in_capitals(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = a_profile(tmp_path)
    assert load_profile(tmp_path / "mine.TOML").name == "mine"
    (tmp_path / "profiles").mkdir()
    path.rename(tmp_path / "profiles/mine.TOML")
    for name in ("mine", "profiles/mine.toml", "profiles/mine.TOML"):
        assert load_profile(name).name == "mine"


def test_nothing_to_choose_from_is_said():
    assert one_of("ab") == "one of a, b" and "none" in one_of(())
