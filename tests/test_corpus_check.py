"""The check finds every fault that is made on purpose, and none in a sound corpus; the table adds up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_media import ARGUMENTS, blank, tree, written
from voiceface.corpus.check import check_corpus
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.prepare import prepare
from voiceface.corpus.statistics import corpus_statistics, unique_seconds
from voiceface.records import Person

FINE = {"level": -20.0, "speech": 1.0, "size": 80.0}


def row(table, id, person, **told):
    known = {name: value for name, value in FINE.items() if name in blank(table)}
    return blank(table, id=id, person=person, source=f"{id}.x", content=f"{table}{id}", **known) | told, {}


def corpus_of(tmp_path, people, **tables):
    return Corpus.open(written(tmp_path / "c", people, [tables]))


def told(corpus):
    return [(problem.severity, problem.what, problem.fault) for problem in check_corpus(corpus)]


TWO = [Person(id="a", gender="f"), Person(id="b", gender="m")]
SOUND = {
    "voices": [row("voices", "a1", "a"), row("voices", "b1", "b")],
    "faces": [row("faces", "a1", "a"), row("faces", "b1", "b")],
}


def test_a_sound_corpus_has_no_problem(tmp_path):
    assert told(corpus_of(tmp_path, TWO, **SOUND)) == []


def test_silent_voices_and_tiny_faces(tmp_path):
    voices = [*SOUND["voices"], row("voices", "a2", "a", level=-75.0), row("voices", "b2", "b", speech=0.0)]
    faces = [*SOUND["faces"], row("faces", "b2", "b", size=20.0)]
    assert told(corpus_of(tmp_path, TWO, voices=voices, faces=faces)) == [
        ("warning", "voices a2", "is silent"),
        ("warning", "voices", "1 contain no detectable speech, first b2"),
        ("warning", "faces b2", "the face is under 32 pixels (20)"),
    ]


def test_duplicates_under_two_people_are_errors_and_come_first(tmp_path):
    voices = [*SOUND["voices"], row("voices", "a2", "a", content="voicesa1")]
    faces = [*SOUND["faces"], row("faces", "a2", "a", content="facesb1")]
    assert told(corpus_of(tmp_path, TWO, voices=voices, faces=faces)) == [
        ("error", "faces a2 and b1", "hold the same media, as a and b"),
        ("warning", "voices a1 and a2", "hold the same media"),
    ]


def test_a_person_in_two_splits(tmp_path):
    people = [Person(id=id, split="train") for id in "abc"]
    rows = [row("voices", f"{id}1", id) for id in "abc"] + [row("voices", "c2", "c", split="test")]
    assert told(corpus_of(tmp_path, people, voices=rows)) == [
        ("error", "person c", "is in the splits test, train")
    ]
    # Recordings of everybody in every part is what authors' splits of known people look like.
    rows += [row("voices", f"{id}3", id, split="test") for id in "ab"]
    corpus = Corpus.open(written(tmp_path / "known", people, [{"voices": rows}]))
    assert told(corpus) == [("warning", str(corpus.path), "3 of 3 people are in several splits")]


def test_people_without_voice_or_face(tmp_path):
    people = [*TWO, Person(id="c"), Person(id="d")]
    faces = [*SOUND["faces"], row("faces", "c1", "c")]
    assert told(corpus_of(tmp_path, people, voices=SOUND["voices"], faces=faces)) == [
        ("warning", "person c", "has no voice"),
        ("warning", "person d", "has no voice and no face"),
    ]


def test_voices_alone_miss_no_faces(tmp_path):
    assert told(corpus_of(tmp_path, TWO, voices=SOUND["voices"])) == []


def test_many_of_a_kind_are_counted(tmp_path):
    rows = [row("faces", f"f{n:02d}", "a", size=9.0) for n in range(30)]
    found = told(corpus_of(tmp_path, TWO[:1], faces=rows))
    assert len(found) == 6 and found[-1][1] == "25 more"


def test_an_unfinished_or_empty_corpus(tmp_path):
    corpus = Corpus.open(written(tmp_path / "c", [], [], complete=False))
    assert told(corpus) == [
        ("error", str(corpus.path), "is not finished"),
        ("error", str(corpus.path), "contains nothing"),
    ]


def test_damage_after_opening_and_bits_that_fell_over(tmp_path):
    corpus = prepare(
        tree(tmp_path / "in", people=2, videos=0),
        tmp_path / "c",
        arguments=ARGUMENTS,
        workers=1,
        progress=False,
    )
    assert check_corpus(corpus, deep=True) == []
    path = next((corpus.path / "arrays" / "voices").glob("*.i16"))
    data = bytearray(path.read_bytes())
    data[40_000] ^= 4
    path.write_bytes(data)
    again = Corpus.open(corpus.path)
    assert check_corpus(again) == []
    (problem,) = check_corpus(again, deep=True)
    assert (
        problem.severity == "error"
        and problem.what == "voices p1"
        and "differs from what was written" in str(problem)
    )
    path.unlink()
    assert "is missing" in check_corpus(again)[0].fault


def test_the_table_by_sex(tmp_path):
    voices = [row("voices", f"a{n}", "a", source="a.mp4", start=2.0 * n, seconds=4.0) for n in range(3)] + [
        row("voices", "b1", "b", seconds=3.5)
    ]
    corpus = corpus_of(tmp_path, TWO, voices=voices, faces=SOUND["faces"] * 1)
    table = corpus_statistics(corpus)
    assert [
        (one.sex, one.people, one.voices, one.faces, one.seconds, one.unique_seconds) for one in table.lines
    ] == [
        ("male", 1, 1, 1, 3.5, 3.5),
        ("female", 1, 3, 1, 12.0, 8.0),
        ("all", 2, 4, 2, 15.5, 11.5),
    ]
    assert "unique s" in str(table) and "15.5" in str(table)


spans = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(0, 12)), max_size=12)


@given(spans)
def test_unique_seconds_against_counting_tenths(found):
    source, start, length = (np.array([one[k] for one in found], float) for k in range(3))
    covered = {(s, t) for s, a, n in found for t in range(a, a + n)}
    assert unique_seconds(source.astype(int), start / 10, length / 10) == pytest.approx(len(covered) / 10)
