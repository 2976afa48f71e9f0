from voiceface.corpus.splits import Selection
from voiceface.models.once_per_selection import OncePerSelection


def test_each_selection_is_computed_once_and_none_gets_anothers(tiny_corpus):
    made = []

    def people(selection, *, suffix):
        made.append(selection)
        return [person + suffix for person in selection.people]

    everybody = Selection.everything(tiny_corpus())
    first, *others = everybody.people
    once = OncePerSelection(people)
    assert once(everybody, suffix="!") is once(everybody, suffix="!")
    assert once(everybody.restrict([first]), suffix="!") == [first + "!"]
    assert once(everybody.restrict(others), suffix="!") == [other + "!" for other in others]
    assert len(made) == 3
