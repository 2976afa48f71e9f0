"""A stranger's corpus: rows that lie are found when it is opened, and any program reads its tables."""

import json
import shutil
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from corpus_media import blank, written
from voiceface.corpus import read_parquet
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.tables import part_facts, write_table
from voiceface.errors import InputError
from voiceface.records import Person

POINTS = [float(k) for k in range(10)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    samples = [np.full(100, n, "<i2").tobytes() for n in range(3)]
    voices = [(blank("voices", id=f"v{n}", person=f"p{n % 2}"), {"samples": samples[n]}) for n in range(3)]
    face = blank("faces", id="f0", person="p0", landmarks=POINTS, frame_box=[0.0] * 4)
    clip = blank("clips", id="c0", person="p1", landmarks=POINTS, sizes=[4, 6])
    media = {"pictures": bytes(10), "samples": bytes(20)}
    parts = [{"voices": voices, "faces": [(face, {"pictures": bytes(8)})], "clips": [(clip, media)]}]
    folder = tmp_path_factory.mktemp("whole") / "c"
    return written(folder, [Person(id="p0"), Person(id="p1")], parts)


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copy")


def put(path, column, row, value):
    """Change one value of a Parquet part; its footer stays."""
    table = pq.read_table(path)
    values = table[column].to_pylist()
    values[row] = value
    changed = table.set_column(
        table.schema.get_field_index(column),
        table.schema.field(column),
        pa.array(values, table.schema.field(column).type),
    ).replace_schema_metadata(table.schema.metadata)
    pq.write_table(changed, path)


LIES = [
    ("voices", "offset", -100),
    ("voices", "offset", 201),
    ("voices", "length", -1),
    ("voices", "length", 101),
    ("voices", "offset", 2**63 - 1),
    ("voices", "length", None),
    ("voices", "id", None),
    ("voices", "person", None),
    ("voices", "person", "nobody"),
    ("faces", "landmarks", [float("nan"), *POINTS[1:]]),
    ("faces", "landmarks", [float("inf"), *POINTS[1:]]),
    ("faces", "landmarks", None),
    ("faces", "frame_length", 1),
    ("clips", "sizes", [4, 7]),
    ("clips", "sizes", [-4, 14]),
    ("clips", "sizes", None),
    ("clips", "sound_offset", -2),
]


@pytest.mark.parametrize(("table", "column", "value"), LIES)
def test_a_row_that_lies_is_found_at_opening(copy, table, column, value):
    path = copy / table / "000-00000.parquet"
    put(path, column, -1, value)
    with pytest.raises(InputError, match=rf"{table}/000-00000\.parquet: has "):
        Corpus.open(copy)


@pytest.mark.parametrize(("row", "value", "words"), [(0, None, "without an id"), (1, "p0", "two people")])
def test_people_without_an_id_or_twice_are_found(copy, row, value, words):
    put(copy / "people" / "people.parquet", "id", row, value)
    with pytest.raises(InputError, match=words):
        Corpus.open(copy)


CARDS = {
    "no JSON": lambda card: "{",
    "nested": lambda card: "[" * 100_000,
    "plans of nothing": lambda card: json.dumps(card | {"plans": None}),
    "plans of text": lambda card: json.dumps(card | {"plans": ["x"]}),
    "arguments as a list": lambda card: json.dumps(card | {"arguments": []}),
    "a format of text": lambda card: json.dumps(card | {"format": "1"}),
    "a list": lambda card: "[]",
}


@pytest.mark.parametrize("kind", CARDS)
def test_a_card_that_lies_is_one_line(copy, kind):
    path = copy / "corpus.json"
    path.write_text(CARDS[kind](json.loads(path.read_text())))
    with pytest.raises(InputError, match=r"corpus\.json: is damaged"):
        Corpus.open(copy)


@pytest.mark.parametrize(
    "facts",
    [
        {"tables": None},
        {"tables": {"voices": {"rows": -1, "arrays": {}}}},
        {"tables": {"voices": {"rows": "3", "arrays": {}}}},
        {"tables": {"voices": {"rows": 3, "arrays": {"i16": -600}}}},
        {"tables": {"voices": {"rows": 3, "arrays": {}, "sum": "xyz"}}},
    ],
)
def test_a_commit_that_lies_is_one_line(copy, facts):
    path = copy / "items" / "000-00000.parquet"
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({"voiceface": json.dumps(facts)}), path)
    with pytest.raises(InputError, match="is no readable Parquet file"):
        Corpus.open(copy)


def test_every_table_is_read_as_one_by_other_programs(whole):
    for table, rows in (("voices", 3), ("faces", 1), ("clips", 1), ("items", 0), ("people", 2)):
        assert pq.read_table(whole / table).num_rows == rows
        assert pa.dataset.dataset(whole / table, format="parquet").count_rows() == rows
        assert {path.suffix for path in (whole / table).iterdir()} == {".parquet"}


def test_a_corpus_whose_arrays_lie_beside_its_tables_is_read_as_before(whole, copy):
    for path in sorted((copy / "arrays").glob("*/*")):
        path.replace(copy / path.parent.name / path.name)
    shutil.rmtree(copy / "arrays")
    card = copy / "corpus.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"format": 1}))
    old, new = Corpus.open(copy), Corpus.open(whole)
    assert old.fingerprint == new.fingerprint
    assert [old.wave(k).tolist() for k in range(3)] == [[k] * 100 for k in range(3)]
    assert old.clip_wave(0).tolist() == new.clip_wave(0).tolist()


def test_text_that_is_no_utf8_is_found(copy):
    path = next((copy / "voices").glob("*.parquet"))
    table = pq.read_table(path)
    at = table.schema.get_field_index("session")
    binary = pa.array([b"\xff\xfe"] * table.num_rows, pa.binary()).view(pa.string())
    changed = table.set_column(at, table.schema.field(at), binary)
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), path)
    with pytest.raises(InputError, match="is no readable Parquet file"):
        Corpus.open(copy).column("voices", "session")


def test_a_damaged_digest_is_one_line(copy):
    path = copy / "people" / "people.parquet"
    table = pq.read_table(path)
    facts = json.loads(table.schema.metadata[b"voiceface"])
    for digest in ("zz", None, 5):
        damaged = {**table.schema.metadata, b"voiceface": json.dumps(facts | {"sum": digest}).encode()}
        pq.write_table(table.replace_schema_metadata(damaged), path)
        with pytest.raises(InputError, match="damaged digest"):
            Corpus.open(copy).fingerprint  # noqa: B018


def folded(path, column, value, rows):
    """Make a part of so many equal rows that each is stored once."""
    table = pq.read_table(path)
    columns = []
    for field in table.schema:
        one = pa.array([value if field.name == column else table[field.name][0].as_py()], field.type)
        same = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), one)
        columns.append(same if pa.types.is_string(field.type) else same.cast(field.type))
    made = pa.table(columns, table.schema.names).replace_schema_metadata(table.schema.metadata)
    pq.write_table(made, path, store_schema=False)
    commit = next(path.parent.parent.glob("items/*.parquet"))
    facts = part_facts(commit)
    facts["tables"][path.parent.name]["rows"] = rows
    write_table(commit, "items", [], facts)


@pytest.mark.parametrize(("rows", "letters"), [(200_000, 3), (2000, 60_000)])
def test_a_part_that_unfolds_to_far_more_than_its_size_is_refused(copy, rows, letters, monkeypatch):
    monkeypatch.setattr(read_parquet, "_ALWAYS", 1_000_000)
    path = next((copy / "voices").glob("*.parquet"))
    folded(path, "language", "x" * letters, rows)
    assert path.stat().st_size < 20_000
    with pytest.raises(InputError, match="would take over .* bytes once it is read"):
        Corpus.open(copy).column("voices", "language")


def test_many_rows_that_are_all_different_are_no_bomb(copy, monkeypatch):
    monkeypatch.setattr(read_parquet, "_ALWAYS", 1000)
    path = copy / "people" / "people.parquet"
    people = [{**asdict(Person(id=f"p{k}")), "name": f"Somebody {k * 7919}"} for k in range(5000)]
    write_table(path, "people", people, part_facts(path))
    assert len(Corpus.open(copy).people) == 5000
