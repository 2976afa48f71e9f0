"""VoxCeleb's naming schemes, its metadata and splits, and Wen et al.'s join with VGGFace."""

import gzip
from collections import Counter
from pathlib import Path

import pytest

import source_trees
from voiceface.corpus.item import FaceItem, VideoItem, VoiceItem
from voiceface.corpus.sources import voxceleb_vggface
from voiceface.corpus.sources.voxceleb import listing
from voiceface.corpus.wen_split import wen_split
from voiceface.errors import InputError
from voiceface.media.voxceleb_names import (
    VoxCelebNames,
    VoxCelebPerson,
    fold_name,
    parse_voxceleb_path,
    read_names,
)

LISTS = Path(__file__).parents[2] / "shared" / "data" / "protocols"
shared = pytest.mark.skipif(not LISTS.is_dir(), reason="the shared lists are not here")


def keys(found, kind):
    return {item.key: item for item in found.items if isinstance(item, kind)}


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("id10002/6WO410QOeuo/00001.wav", "id10002/6WO410QOeuo/00001"),
        ("dev/aac/id00012/21Uxsk56VDQ/00001.m4a", "id00012/21Uxsk56VDQ/00001"),
        ("A.R._Rahman/6WO410QOeuo_0000001.wav", "A.R._Rahman/6WO410QOeuo/00001"),
        ("A.R._Rahman/_-x_y-z_123_0000012.wav", "A.R._Rahman/_-x_y-z_123/00012"),
        ("A.R._Rahman/1.6/6WO410QOeuo/0003800.jpg", "A.R._Rahman/6WO410QOeuo/0003800"),
        ("data/A.R._Rahman/1.6/6WO410QOeuo/7/0003800.JPG", "A.R._Rahman/6WO410QOeuo/00007/0003800"),
        ("A.R._Rahman/6WO410QOeuo/0003800.jpg", "A.R._Rahman/6WO410QOeuo/0003800"),
        ("A.R._Rahman\\1.6\\6WO410QOeuo\\0003800.jpg", "A.R._Rahman/6WO410QOeuo/0003800"),
        ("X/1.6/12345678901/0000001.jpg", "X/12345678901/0000001"),  # a video may be named by digits alone
        ("Aamir_Khan/00000819.jpg", "Aamir_Khan/00000819"),  # VGGFace
        ("/00000819.jpg", None),
        ("id10002/6WO410QOeuo/first.wav", None),
        ("id10002/short/00001.wav", None),
        ("6WO410QOeuo/00001.wav", "6WO410QOeuo/00001"),  # a person of that name
        ("00001.wav", None),
        ("id10002/6WO410QOeuo/00001.txt", None),
    ],
)
def test_every_scheme_gives_one_key(path, key):
    parsed = parse_voxceleb_path(path)
    assert (parsed.key if parsed else None) == key


def test_names_match_without_accents_and_dots_if_one_fits():
    names = VoxCelebNames(
        [
            VoxCelebPerson("id1", "Zoë_Łee_Jr."),
            VoxCelebPerson("id2", "Bo_Li"),
            VoxCelebPerson("id3", "Bo_L.I."),
        ]
    )
    assert names.identity("zoe lee jr").id == "id1" and names.identity("id1").id == "id1"
    assert names.identity("Bo_Li").id == "id2" and names.identity("Bo_L.I.").id == "id3"
    assert names.identity("bo li") is None  # two people fit
    assert names.person("Nobody") == "Nobody"
    assert fold_name("Zoe\u0308_\u0141ee") == fold_name("Zo\u00eb \u0141ee") == "zoelee"


def test_joined_by_metadata(tmp_path):
    source_trees.voxceleb(tmp_path)
    found = listing(tmp_path)
    people = {person.id: person for person in found.people}
    jr = people["id10362"]
    assert (jr.name, jr.gender, jr.nationality, jr.split) == ("Harry Connick Jr.", "m", "USA", "train")
    assert people["id10270"].split == "test"
    assert (people["id00012"].gender, people["id00012"].split, people["id00012"].name) == ("m", "train", "")
    assert people["id00017"].split == "test"
    voices = keys(found, VoiceItem)
    assert set(voices) == {
        "id10001/1zcIwhmdeo4/00001",
        "id10001/7gWzIy6yIIk/00002",
        "id10270/5r0dWxy17C8/00004",
        "id10362/a_b-C_d1E_f/00003",
        "id00012/21Uxsk56VDQ/00001",
    }
    faces = keys(found, FaceItem)
    assert faces["id10362/a_b-C_d1E_f/0000150"].session == voices["id10362/a_b-C_d1E_f/00003"].session
    assert faces["id10270/5r0dWxy17C8/00004/0000025"].person == "id10270"
    assert all(item.split == "" for item in found.items)  # the split is the person's


def test_clips_are_heard_only_where_no_sound_file_is(tmp_path):
    source_trees.voxceleb(tmp_path)
    wants = {item.key: item.want for item in keys(listing(tmp_path), VideoItem).values()}
    assert wants == {
        "id00012/21Uxsk56VDQ/00001": ("faces", "clips"),
        "id00017/01dfn2spqyE/00001": ("voices", "faces", "clips"),
    }
    silent = listing(tmp_path, voices=False, faces=False)
    assert {type(item) for item in silent.items} == {VideoItem} and silent.items[0].want == ("clips",)
    heard = listing(tmp_path, faces=False, clips=False)
    assert Counter(type(item) for item in heard.items) == {VoiceItem: 5, VideoItem: 1}


def test_without_metadata_folders_tell_the_split(tmp_path):
    source_trees.voxceleb(tmp_path)
    for table in tmp_path.glob("*.csv"):
        table.unlink()
    people = {person.id: person for person in listing(tmp_path).people}
    assert people["id10270"].split == "test" and people["id10001"].split == "train"
    assert people["Harry_Connick_Jr."].split == "" and people["id00012"].gender == ""


def test_a_person_in_dev_and_test_is_put_in_neither(tmp_path):
    for part in ("dev", "test"):
        source_trees.empty(tmp_path / part / "wav" / "id10001" / f"{part:x<11}" / "00001.wav", 0)
    found = listing(tmp_path)
    assert [person.split for person in found.people] == [""] and len(found.items) == 2
    assert "split of id10001 is 'train' and 'test'" in found.rejected[0].reason


def test_the_same_utterance_in_two_schemes_and_containers(tmp_path):
    source_trees.text(tmp_path / "vox1_meta.csv", *source_trees.VOX1)
    for path in (
        "m4a/id10001/1zcIwhmdeo4/00001.m4a",
        "wav/id10001/1zcIwhmdeo4/00001.wav",
        "old/A.J._Buckley/1zcIwhmdeo4_0000001.wav",
    ):
        source_trees.empty(tmp_path / path, 0)
    found = listing(tmp_path)
    assert [item.path for item in found.items] == ["old/A.J._Buckley/1zcIwhmdeo4_0000001.wav"]
    assert sorted(note.path for note in found.rejected) == [
        "m4a/id10001/1zcIwhmdeo4/00001.m4a",
        "wav/id10001/1zcIwhmdeo4/00001.wav",
    ]


def test_what_fits_no_scheme_and_nobody(tmp_path):
    source_trees.voxceleb(tmp_path)
    source_trees.empty(tmp_path / "wav" / "id10001" / "intro.wav", 0)
    source_trees.empty(tmp_path / "unzippedFaces" / "Jo_Do" / "1.6" / "1zcIwhmdeo4" / "0000001.jpg", 0)
    notes = {note.path: note.reason for note in listing(tmp_path).rejected}
    assert notes == {
        "wav/id10001/intro.wav": "its name fits none of VoxCeleb's three schemes",
        "unzippedFaces/Jo_Do": "no person of this name in the metadata: kept under it, joined to no id",
    }


def test_identification_split_of_recordings(tmp_path):
    source_trees.voxceleb(tmp_path)
    split = source_trees.text(
        tmp_path / "iden_split.txt",
        "1 id10001/1zcIwhmdeo4/00001.wav",
        "3 A.J._Buckley/7gWzIy6yIIk_0000002.wav",
        "2 id10270/5r0dWxy17C8/00004.wav",
        "1 id10270/5r0dWxy17C8/00005.wav",
        newline="\r\n",
    )
    found = listing(tmp_path, split_list=split)
    assert {person.split for person in found.people} == {""}
    voices, faces = keys(found, VoiceItem), keys(found, FaceItem)
    assert voices["id10001/1zcIwhmdeo4/00001"].split == "train"
    assert voices["id10001/7gWzIy6yIIk/00002"].split == "test"
    assert voices["id10270/5r0dWxy17C8/00004"].split == "validation"
    assert faces["id10001/1zcIwhmdeo4/0000375"].split == "train"
    assert faces["id10270/5r0dWxy17C8/00004/0000025"].split == ""  # its video is in two splits


def test_pins_split_of_people(tmp_path):
    source_trees.voxceleb(tmp_path)
    split = source_trees.text(
        tmp_path / "identity_splits.txt", "A.J._Buckley 1 ", "Eartha_Kitt 4 ", "Harry_Connick_Jr. 2 "
    )
    people = {person.id: person.split for person in listing(tmp_path, split_list=split).people}
    assert people["id10001"] == "train" and people["id10270"] == "test" and people["id10362"] == "validation"
    assert people["id00012"] == ""
    source_trees.text(split, "A.J._Buckley 7")
    with pytest.raises(InputError, match="line 1.*neither 'CODE RECORDING' nor 'PERSON CODE'"):
        listing(tmp_path, split_list=split)


def test_frames_are_thinned_by_video(tmp_path):
    for video in ("aaaaaaaaaaa", "bbbbbbbbbbb"):
        for frame in range(40):
            source_trees.empty(tmp_path / "A_B" / "1.6" / video / f"{frame:07d}.jpg", 0)
    found = listing(tmp_path, faces_per_video=3)
    assert Counter(item.session for item in found.items) == {"A_B/aaaaaaaaaaa": 3, "A_B/bbbbbbbbbbb": 3}
    assert len(listing(tmp_path).items) == 80


def test_wen_joins_by_name_and_splits_by_letter(tmp_path):
    tree = source_trees.voxceleb_vggface(tmp_path)
    found = voxceleb_vggface.listing(tmp_path)
    told = {person.id: (person.name, person.split, person.gender) for person in found.people}
    assert told == {
        "id10001": ("A.J. Buckley", "validation", "m"),
        "id10362": ("Harry Connick Jr.", "train", "m"),
    }
    assert keys(found, FaceItem)["id10362/00000001"].path == "vggface/Harry Connick Jr/00000001.jpg"
    notes = {note.path: note.reason for note in found.rejected}
    assert notes["."] == "3 people with voices, 3 with faces, 2 of one name joined"
    alone = "the name is not just one person's in"
    assert notes["voxceleb1/wav/id10270/5r0dWxy17C8"] == f"id10270: {alone} VGGFace, 1 files left out"
    assert notes["vggface/Unheard_Person"] == f"Unheard_Person: {alone} VoxCeleb, 1 files left out"
    by_authors = voxceleb_vggface.listing(tmp_path, letters=False)
    assert {person.split for person in by_authors.people} == {"train"}
    assert len(found.items) == tree.voices + tree.faces


def test_wens_letters():
    names = ["Aamir_Khan", "Bo", "Émile", "Cy", "Eve", "Fay", "zoe", "50_Cent", ""]
    told = ["validation", "validation", "test", "test", "test", "train", "train", "", ""]
    assert [wen_split(name) for name in names] == told


def test_a_name_of_two_people_joins_nobody(tmp_path):
    source_trees.voxceleb_vggface(tmp_path)
    source_trees.empty(tmp_path / "vggface" / "AJ Buckley" / "00000001.jpg", 0)
    # The name exactly as written goes before one that only sounds alike.
    assert len(voxceleb_vggface.listing(tmp_path).people) == 2
    (tmp_path / "vggface" / "A.J._Buckley").rename(tmp_path / "vggface" / "A.J. Buckley")
    assert [person.id for person in voxceleb_vggface.listing(tmp_path).people] == ["id10362"]
    with (tmp_path / "voxceleb1" / "vox1_meta.csv").open("a") as file:
        file.write("id11111\tHarry_Connick_Jr\tm\tUSA\tdev\n")
    source_trees.empty(tmp_path / "voxceleb1" / "wav" / "id11111" / "7gWzIy6yIIk" / "00001.wav", 0)
    with pytest.raises(InputError, match="looked for people of one name"):
        voxceleb_vggface.listing(tmp_path)


def test_wen_with_folders_named_elsewhere(tmp_path):
    tree = source_trees.voxceleb_vggface(tmp_path / "data")
    apart = tmp_path / "pictures"
    (tree.root / "vggface").rename(apart)
    with pytest.raises(InputError, match="no folder named \\*vgg\\*; name the folder with --vggface"):
        voxceleb_vggface.listing(tree.root)
    found = voxceleb_vggface.listing(tree.root, vggface=apart)
    assert len(found.items) == 5
    assert all((found.root / item.path).is_file() for item in found.items)
    (tree.root / "voxceleb1" / "vox1_meta.csv").unlink()
    with pytest.raises(InputError, match="vox1_meta.csv"):
        voxceleb_vggface.listing(tree.root, vggface=apart)


def test_voxceleb2_joins_vggface2_by_class(tmp_path):
    source_trees.text(tmp_path / "vox2" / "vox2_meta.csv", *source_trees.VOX2)
    source_trees.empty(tmp_path / "vox2" / "aac" / "id00012" / "21Uxsk56VDQ" / "00001.m4a", 0)
    source_trees.text(
        tmp_path / "vggface2" / "identity_meta.csv", "Class_ID, Name", 'n000012, "Gina_Lollo",3,1, f,'
    )
    source_trees.empty(tmp_path / "vggface2" / "train" / "n000012" / "0001_01.jpg", 0)
    found = voxceleb_vggface.listing(tmp_path)
    assert [(person.id, person.name, person.split) for person in found.people] == [
        ("id00012", "Gina Lollo", "train")
    ]


@shared
def test_the_real_metadata():
    names = read_names(LISTS / "voxceleb" / "vox1_meta.csv")
    assert len(names) == 1251
    assert all(names.identity(fold_name(person.name)) is person for person in names.people.values())
    assert Counter(person.set for person in names.people.values()) == {"dev": 1211, "test": 40}
    assert len(read_names(LISTS / "voxceleb" / "vox2_meta.csv.gz")) == 6114
    by_list = read_names(LISTS / "voxceleb" / "vox1_identities.txt.gz")
    assert {person.id: person.name for person in by_list.people.values()} == {
        person.id: person.name for person in names.people.values()
    }


@shared
def test_wens_letters_give_the_numbers_of_his_table():
    names = read_names(LISTS / "voxceleb" / "vox1_meta.csv")
    # The people with faces in VGGFace are those this split's lists put in `dev` or `test`.
    known = {}
    for part in ("train", "val", "test"):
        with gzip.open(LISTS / "shape_of_sound" / f"vox1_{part}.csv.gz", "rt") as file:
            for line in file.read().splitlines()[1:]:
                id, name, _, _, put = line.split(",")
                if put != "none":
                    known[id] = name
    counts = Counter(wen_split(names.people[id].name) for id in known)
    assert counts == {"train": 924, "validation": 112, "test": 189}


@shared
@pytest.mark.parametrize("name", ["veriflist_test_random_unseenunheard", "veriflist_test_G_seenheard"])
def test_the_real_lists_name_known_people_in_known_schemes(name):
    names = read_names(LISTS / "voxceleb" / "vox1_meta.csv")
    with gzip.open(LISTS / "learnable_pins" / f"{name}.txt.gz", "rt") as file:
        rows = [line.strip().split(",") for line in file.readlines()[1:]]
    for *_, voice, face in rows:
        for path in (voice, face):
            key = names.key(path)
            assert key is not None and key.startswith("id1")


@shared
def test_two_lists_of_one_data_set_meet_in_one_key():
    names = read_names(LISTS / "voxceleb" / "vox1_meta.csv")
    old, new = set(), set()
    with gzip.open(LISTS / "learnable_pins" / "veriflist_test_random_unseenunheard.txt.gz", "rt") as file:
        old = {names.key(line.split(",")[4]) for line in file.readlines()[1:]}
    with gzip.open(LISTS / "learnable_pins" / "wav_20k.csv.gz", "rt") as file:
        new = {names.key(line.split()[-1]) for line in file.readlines()[1:]}
    # The same 250 people's recordings, drawn apart: most videos of one list are in the other.
    shared_videos = {key.rpartition("/")[0] for key in old} & {key.rpartition("/")[0] for key in new}
    assert len(shared_videos) > 1000
