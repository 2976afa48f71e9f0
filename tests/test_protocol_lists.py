"""Trial lists: every format there and back, every fault refused, the published ones read whole."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from voiceface.errors import InputError
from voiceface.media.voxceleb_names import read_names
from voiceface.protocols.list_audit import audit_list, misread_auc
from voiceface.protocols.list_scoring import Embedded, score_galleries, score_trials
from voiceface.protocols.trial_lists import (
    PINS_TRIAL_COUNTS,
    TrialList,
    read_fame_trials,
    read_galleries,
    read_pins,
    read_pins_retrieval,
    read_retrieval,
    read_shape_of_sound,
    read_voxceleb,
    write_fame_submission,
    write_galleries,
    write_pins,
    write_voxceleb,
)

META = (
    "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\nid10001\tAda\tf\tUK\tdev\nid10002\tBo\tm\tUK\tdev\n"
)
PINS = """id,voice-speaker-id,face-speaker-id,label,voice-path,face-path
1,1,1,1,Ada/v-_1v-_1v-__0000001.wav,Ada/v-_1v-_1v-_/0000025.jpg
2,1,2,0,Ada/v-_1v-_1v-__0000001.wav,Bo/wwwwwwwwwww/0000050.jpg
3,2,1,0,Bo/wwwwwwwwwww_0000002.wav,Ada/xxxxxxxxxxx/0000050.jpg
4,2,2,1,Bo/wwwwwwwwwww_0000002.wav,Bo/wwwwwwwwwww/0000050.jpg
"""


@pytest.fixture
def people(tmp_path):
    (tmp_path / "meta.csv").write_text(META)
    return read_names(tmp_path / "meta.csv")


def written(folder, text, name="list.txt"):
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_pins_there_and_back(tmp_path):
    trials = read_pins(written(tmp_path, PINS))
    assert trials.labels.tolist() == [True, False, False, True] and trials.left_people.tolist() == [
        "Ada",
        "Ada",
        "Bo",
        "Bo",
    ]
    write_pins(tmp_path / "again.txt", trials)
    assert (tmp_path / "again.txt").read_text() == PINS
    packed = tmp_path / "list.txt.gz"
    packed.write_bytes(gzip.compress(PINS.encode()))
    assert read_pins(packed).right.tolist() == trials.right.tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace(",", ";"), "the first line must be"),
        (lambda t: t.split("\n", 1)[1], "the first line must be"),
        (lambda t: t.replace("2,1,2,0,", "2 1 2 0 "), r":3: has 2 columns separated by commas, not 6"),
        (lambda t: t[:-24], r":5: has 5 columns|:5: has 6 columns|middle of a name"),
        (lambda t: t[:-4], "in the middle of a name"),
        (lambda t: t.replace("3,2,1,0,", "7,2,1,0,"), r":4: has id 7, not 3"),
        (lambda t: t.replace("2,1,2,0,", "2,1,2,,"), "not 6 filled ones"),
        (lambda t: t.replace("2,1,2,0,", "2,1,2,x,"), "has label 'x'"),
        (lambda t: "", "is empty"),
    ],
)
def test_faulty_pins_lists_are_refused(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        read_pins(written(tmp_path, change(PINS)))


def test_a_list_cut_at_a_row_or_an_archive_cut_anywhere_is_refused(tmp_path):
    name = "veriflist_test_N_unseenunheard.txt"
    with pytest.raises(InputError, match="has 4 rows; 28,193 were published"):
        read_pins(written(tmp_path, PINS, name))
    packed = tmp_path / "cut.gz"
    packed.write_bytes(gzip.compress(PINS.encode())[:-20])
    with pytest.raises(InputError, match="cut short or damaged"):
        read_pins(packed)
    with pytest.raises(InputError, match="cannot be read"):
        read_pins(tmp_path / "absent.txt")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read_pins(tmp_path / "bytes")


def test_galleries_there_and_back(tmp_path, people):
    text = "id10001/v/00001.wav Ada/1.6/v/0000025.jpg Bo/1.6/w/0000050.jpg\n"
    path = written(tmp_path, text)
    galleries = read_galleries(path, people)
    assert galleries.people.tolist() == [["id10001", "id10002"]]
    write_galleries(tmp_path / "again.txt", galleries)
    assert (tmp_path / "again.txt").read_text() == text
    with pytest.raises(InputError, match=":1: has another person's item"):
        read_galleries(written(tmp_path, text.replace("id10001", "id10002")), people)
    with pytest.raises(InputError, match="give probe, right and wrong"):
        read_galleries(written(tmp_path, text.replace(" ", ",")), people)
    with pytest.raises(InputError, match="'Zed': is nobody"):
        read_galleries(written(tmp_path, text.replace("Bo", "Zed")), people)


def test_names_that_would_read_back_as_two_are_not_written(tmp_path):
    trials = TrialList(
        name="t",
        left=np.array(["a,b"]),
        right=np.array(["c d"]),
        labels=np.array([True]),
        left_people=np.array(["1"]),
        right_people=np.array(["1"]),
    )
    for write, shown in ((write_pins, "a,b"), (write_voxceleb, "c d")):
        with pytest.raises(InputError, match=rf"1 \({shown}\) are blank or hold a separator"):
            write(tmp_path / "x.txt", trials)
    assert not (tmp_path / "x.txt").exists()


def test_other_formats(tmp_path, people):
    sos = read_shape_of_sound(
        written(tmp_path, "Ada/00000001.jpg id10001/v/00001.wav\nBo/00000002.jpg id10001/v/00001.wav\n"),
        people,
    )
    assert sos.labels.tolist() == [True, False]
    both = read_retrieval(
        written(tmp_path, "Ada/00000001.jpg Bo/00000002.jpg\nid10001/v/00001.wav\n"), people
    )
    assert both.voice_people.tolist() == ["id10001"] and both.face_people.tolist() == ["id10001", "id10002"]
    vox_text = "1 id10001/v/00001.wav id10001/w/00001.wav\n0 id10001/v/00001.wav id10002/w/00001.wav\n"
    vox = read_voxceleb(written(tmp_path, vox_text))
    write_voxceleb(tmp_path / "vox.txt", vox)
    assert (tmp_path / "vox.txt").read_text() == vox_text and vox.labels.tolist() == [True, False]


def test_fame_trials_and_submissions(tmp_path):
    trials = read_fame_trials(written(tmp_path, "k1 voices/a.wav faces/a.jpg\nk2 voices/b.wav faces/b.jpg\n"))
    path = tmp_path / "submission.txt"
    write_fame_submission(path, trials, [0.25, 1.5])
    assert path.read_text() == "k1 0.25\nk2 1.5\n"
    with pytest.raises(InputError, match="1 are negative"):
        write_fame_submission(path, trials, [0.1, -0.1])
    with pytest.raises(InputError, match="are 1 for 2"):
        write_fame_submission(path, trials, [0.1])
    with pytest.raises(InputError, match="repeats 1 keys"):
        read_fame_trials(written(tmp_path, "k1 a.wav a.jpg\nk1 b.wav b.jpg\n"))


def test_all_namings_meet_in_one_key(people):
    voices = "Ada/vid_eo-0001_0000003.wav", "id10001/vid_eo-0001/00003.wav"
    faces = "Ada/1.6/vid_eo-0001/0000025.jpg", "Ada/vid_eo-0001/0000025.jpg"
    assert len({people.known_key(n) for n in voices}) == len({people.known_key(n) for n in faces}) == 1
    assert people.known_key(voices[0]) != people.known_key(faces[0])
    assert people.known_key("Ada/00000819.jpg") == "id10001/00000819"
    for bad in ("Ada", "Ada/x.txt", "Ada/a/b/c/1.jpg", "/v/1.jpg", "Ada/v/x.jpg"):
        with pytest.raises(InputError, match="follows no known naming"):
            people.known_key(bad)


def embedded(**options):
    rng = np.random.default_rng(0)
    return Embedded(["a", "b", "c"], rng.normal(size=(3, 4)), **options)


TRIALS = TrialList(
    name="t", left=np.array(["a", "b", "zz"]), right=np.array(["c", "a", "b"]),
    labels=np.array([1, 0, 1], bool), left_people=np.array(list("123")), right_people=np.array(list("143")),
)  # fmt: skip


def test_scores_from_named_embeddings():
    e = embedded()
    scores, kept = score_trials(TRIALS, e, e, missing="exclude")
    assert kept.tolist() == [True, True, False]
    assert scores == pytest.approx([e.rows[0] @ e.rows[2], e.rows[1] @ e.rows[0]], abs=1e-6)
    with pytest.raises(InputError, match=r"voices: lack 1 \(zz\) of the names"):
        score_trials(TRIALS, embedded(what="voices"), e)
    with pytest.raises(InputError, match="width: embeddings 4 and faces 2"):
        score_trials(TRIALS, e, Embedded(["a", "b", "c"], np.ones((3, 2)), what="faces"))
    with pytest.raises(InputError, match=r"1 \(a\) names have two different vectors"):
        Embedded(["a", "a"], [[1.0, 0], [0, 1]])
    assert Embedded(["a", "a"], [[1.0, 0], [2, 0]]).find(["a"]).tolist() == [0]
    with pytest.raises(InputError, match="1 names for 2 rows"):
        Embedded(["a"], np.eye(2))
    with pytest.raises(InputError, match="cover none of the 3"):
        score_trials(TRIALS, Embedded(["q"], np.ones((1, 4))), e, missing="exclude")


def test_collapsed_embeddings_tie_in_lists(tmp_path, people):
    rng = np.random.default_rng(0)
    one = Embedded([str(i) for i in range(50)], np.tile(rng.normal(size=77), (50, 1)))
    picks = rng.integers(0, 50, (2, 400)).astype(str)
    trials = TrialList(
        name="t", left=picks[0], right=picks[1], labels=None, left_people=picks[0], right_people=picks[1]
    )
    assert len(np.unique(score_trials(trials, one, one)[0])) == 1
    path = written(tmp_path, "id10001/v/00001.wav Ada/v/0000001.jpg Bo/wwwwwwwwwww/0000001.jpg\n")
    galleries = read_galleries(path, people)
    names = np.concatenate([galleries.probes, galleries.candidates.ravel()])
    all_ = Embedded(names, rng.normal(size=(3, 4)))
    scores, kept = score_galleries(galleries, all_, all_)
    assert scores == pytest.approx((all_.rows[0] @ all_.rows[1:].T)[None], abs=1e-6) and kept.all()


def test_audit_finds_every_planted_defect(tmp_path):
    repeated = "5,1,2,0,Ada/v-_1v-_1v-__0000001.wav,Bo/wwwwwwwwwww/0000050.jpg\n"
    trials = read_pins(written(tmp_path, PINS.replace("4,2,2,1,", "4,2,2,0,") + repeated))
    audit = audit_list(
        trials, share={"gender": {"Ada": "f", "Bo": "m"}, "age": {"Ada": "30"}}, training=["Bo", "9"],
        media=set(trials.left.tolist()) | set(trials.right.tolist()) - {"Bo/wwwwwwwwwww/0000050.jpg"},
    )  # fmt: skip
    assert (audit.trials, audit.positives, audit.misread, audit.mislabelled, audit.repeated) == (
        5,
        1,
        2,
        1,
        1,
    )
    assert audit.violated == {"gender": 3, "age": 0} and audit.unknown == {"gender": 0, "age": 4}
    assert (
        audit.shared_people == ("Bo",)
        and audit.left_out == ("Bo/wwwwwwwwwww/0000050.jpg",)
        and audit.one_sided == 1
    )
    assert audit.same_video_positives == 1.0 and audit.same_video_negatives == 0.25
    text = str(audit)
    for words in (
        "2 of 5 rows would be misread", "1 labels contradict", "1 trials stand",
        "3 negatives differ in gender",
        "4 negatives have no known age", "1 (Bo) people of the list are also in training",
    ):  # fmt: skip
        assert words in text
    assert audit.to_dict()["findings"] == audit.findings()


def test_a_clean_list_has_no_findings(tmp_path):
    head, first, second, *_ = PINS.splitlines()
    third = "3,2,2,1,Bo/wwwwwwwwwww_0000002.wav,Bo/xxxxxxxxxxx/0000050.jpg"
    fourth = "4,2,1,0,Bo/wwwwwwwwwww_0000002.wav,Ada/xxxxxxxxxxx/0000050.jpg"
    clean = "\n".join([head, first, second, third, fourth, ""])
    clean = clean.replace("Ada/v-_1v-_1v-_/0000025.jpg", "Ada/yyyyyyyyyyy/0000025.jpg")
    assert "nothing found" in str(audit_list(read_pins(written(tmp_path, clean))))


def test_misread_auc_is_what_a_misreader_reads():
    rng = np.random.default_rng(0)
    true = rng.random(200_000) < 0.5
    read = np.where(rng.random(200_000) < 0.4, ~true, true)
    scores = rng.normal(size=200_000) + 1.2 * true
    from voiceface.metrics.roc import auc

    expected = misread_auc(auc(scores, true), true[read].mean(), true[~read].mean())
    assert auc(scores, read) == pytest.approx(expected, abs=0.004)


@pytest.fixture(scope="module")
def published():
    folder = Path(__file__).parents[2] / "shared" / "data" / "protocols"
    if not folder.is_dir():
        pytest.skip("the published lists are not here")
    return folder


@pytest.mark.slow
def test_published_lists_read_whole(published):
    meta = read_names(published / "voxceleb" / "vox1_meta.csv")
    pins, misread = published / "learnable_pins", {}
    for name, rows in PINS_TRIAL_COUNTS.items():
        trials = read_pins(pins / f"veriflist_test_{name}.txt.gz")
        assert len(trials) == rows
        assert [f"id1{int(n):04d}" for n in trials.left_people] == meta.people_of(trials.left)
        assert [f"id1{int(n):04d}" for n in trials.right_people] == meta.people_of(trials.right)
        audit = audit_list(trials)
        assert audit.mislabelled == audit.contradicting == 0
        assert audit.same_video_positives == (
            1.0 if name.split("_")[1] == "seenheard" else pytest.approx(0.135, abs=0.01)
        )
        if audit.misread:
            misread[name] = audit.misread
    assert misread == {"N_unseenunheard": 13_076, "GNA_unseenunheard": 11_139}
    both = read_pins_retrieval(pins / "wav_20k.csv.gz", pins / "jpg_20k.csv.gz")
    assert len(both.voices) == len(both.faces) == 20_000 and len(set(both.voice_people)) == 250
    for path in sorted(pins.glob("matching_*.csv.gz")):
        assert (read_galleries(path, meta).people[:, 0] != read_galleries(path, meta).people[:, 1]).all()


@pytest.mark.slow
def test_published_shape_of_sound_and_voxceleb(published):
    meta = read_names(published / "voxceleb" / "vox1_meta.csv")
    sos = published / "shape_of_sound"
    assert len(read_shape_of_sound(sos / "verify_v2f_test.txt.gz", meta)) == 65_550
    assert len(read_retrieval(sos / "reterival_v2f_test.txt.gz", meta).voices) == 21_850
    assert read_names(sos / "vox1_test.csv.gz").ids["CCH_Pounder"] == "id10117"
    vox = read_voxceleb(published / "voxceleb" / "verif_original.txt.gz", meta)
    assert len(vox) == 37_720 and audit_list(vox).mislabelled == 0
