"""Small made media for the corpus tests, and corpora written row by row without any."""

import hashlib
from pathlib import Path

import numpy as np

from draw_face import draw_face
from voiceface.corpus.item import FaceItem, Listing, VideoItem, VoiceItem
from voiceface.corpus.table_reader import CARD
from voiceface.corpus.tables import FORMAT, SCHEMAS, PartWriter, content_sum, write_table
from voiceface.media.files import write_json
from voiceface.media.sound import save_sound
from voiceface.media.write_movie import write_movie
from voiceface.records import Person

ARGUMENTS = {"source": "made"}


def synthetic_voice(seed, seconds=1.0, rate=16000):
    """A buzzing tone with syllables: another for every seed."""
    random = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    pitch = random.uniform(90, 240)
    wave = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 9))
    return (0.2 * wave * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t)) + 0.01 * random.normal(size=len(t))).astype(
        np.float32
    )


def talking(path, seed, seconds=3.0, fps=10, size=160, frames=None):
    """A movie of a drawn face with sound; ``frames`` replaces the pictures."""
    face = np.asarray(draw_face(seed, size))
    pictures = frames or [face] * round(seconds * fps)
    write_movie(path, pictures, fps=fps, wave=synthetic_voice(seed, len(pictures) / fps), rate=16000)


def tree(root, people=3, videos=1):
    """A listing of voices, faces and videos made under ``root``."""
    root.mkdir(parents=True, exist_ok=True)
    items = []
    for number in range(people):
        person = f"p{number}"
        save_sound(root / f"{person}.wav", synthetic_voice(number))
        draw_face(number, 120).save(root / f"{person}.png")
        items.append(VoiceItem(key=person, person=person, path=f"{person}.wav"))
        items.append(FaceItem(key=person, person=person, path=f"{person}.png"))
    for number in range(videos):
        talking(root / f"v{number}.mp4", 50 + number)
        items.append(VideoItem(key=f"v{number}", person=f"p{number}", path=f"v{number}.mp4"))
    known = [Person(id=f"p{n}", gender="fm"[n % 2]) for n in range(people)]
    return Listing(root=root, people=known, items=items)


def contents(corpus):
    """Every file of a corpus folder but its views: relative path -> digest."""
    files = (path for path in Path(corpus).rglob("*") if path.is_file() and "views" not in path.parts)
    return {
        path.relative_to(corpus).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def blank(table, **told):
    """A row with every column, empty but for those told."""
    empty = {"string": "", "int32": 0, "int64": 0, "float": 0.0, "double": 0.0}
    row = {}
    for field in SCHEMAS[table]:
        kind = str(field.type)
        row[field.name] = empty.get(kind, [0.0] * 10 if "10" in kind else None)
    row |= {"sizes": []} if "sizes" in row else {}
    return row | told


def written(folder, people, parts, **card):
    """A corpus of the rows given: ``parts`` is a list of {table: [(row, media)]}."""
    folder.mkdir(parents=True)
    (folder / "people").mkdir()
    (folder / "items").mkdir()
    told = {"format": FORMAT, "version": "0", "arguments": {}, "options": {}, "complete": True}
    write_json(folder / CARD, told | {"plans": [{"items": 0, "shards": len(parts), "digest": ""}]} | card)
    rows = [{name: getattr(person, name) for name in SCHEMAS["people"].names} for person in people]
    total = f"{content_sum('people', rows):064x}"
    write_table(folder / "people" / "people.parquet", "people", rows, {"rows": len(rows), "sum": total})
    for number, tables in enumerate(parts):
        facts = {}
        for table, made in tables.items():
            with PartWriter(folder, table, f"000-{number:05d}") as writer:
                for row, media in made:
                    writer.add(row, media)
            facts[table] = writer.facts()
        write_table(folder / "items" / f"000-{number:05d}.parquet", "items", [], {"tables": facts})
    return folder
