"""A prepared corpus' voices and faces in a gallery."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from voiceface.corpus.corpus import Corpus
from voiceface.pipelines.gallery import Gallery
from voiceface.pipelines.gallery_items import KINDS, AddResult, Item

_BLOCK = 64
_ATTRIBUTES = ("name", "gender", "nationality")
"""What a corpus knows of people and a gallery keeps of their items, where it is known."""


def add_corpus(
    gallery: Gallery,
    corpus: Corpus,
    *,
    attributes: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> AddResult:
    """Embed the items of a corpus that the gallery does not hold, and add them; people go by their ids.

    Every block of 64 is a commit, so that a run that was killed goes on when it is started again. An item's
    path is that of the corpus with its table and id.

    Args:
        gallery: where to add.
        corpus: what to add.
        attributes: name to value, of every item, beside name, gender and nationality of its person.
        progress: called with the items done and their number.

    Raises:
        InputError: an attribute that cannot be a name.
    """
    known = {
        person.id: {name: value for name in _ATTRIBUTES if (value := str(getattr(person, name) or ""))}
        for person in corpus.people
    }
    total = sum(len(corpus.tables[f"{kind}s"]) for kind in KINDS)
    added = done = 0
    for kind in KINDS:
        table = f"{kind}s"
        ids, people = (corpus.column(table, name).astype(str).tolist() for name in ("id", "person"))
        for first in range(0, len(ids), _BLOCK):
            indices = range(first, min(first + _BLOCK, len(ids)))
            items = [
                Item(
                    path=Path(corpus.path, table, ids[index]),
                    kind=kind,
                    person=people[index],
                    attributes={**known.get(people[index], {}), **(attributes or {})},
                )
                for index in indices
            ]
            there = gallery.holds(items)
            fresh = [place for place, held in enumerate(there) if not held]
            if fresh:
                rows = gallery.matcher.embed_corpus_items(corpus, table, [indices[place] for place in fresh])
                added += gallery.add_rows(rows, [items[place] for place in fresh])
            done += len(items)
            if progress is not None:
                progress(done, total)
    return AddResult(added=added, already_present=total - added, failed=[])
