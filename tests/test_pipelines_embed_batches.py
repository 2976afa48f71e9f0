"""Many sources in few forward passes: what each gets is what it gets alone, faults included."""

from __future__ import annotations

import numpy as np
import pytest

from corpus_media import synthetic_voice
from draw_face import draw_face
from voiceface.errors import InputError
from voiceface.media.sound import save_sound
from voiceface.pipelines.embed_batches import BatchedEncoder, embed_in_batches
from voiceface.pipelines.matcher import Matcher


class Counted:
    """An encoder of numbers: the file ``[1, 2]`` gives the inputs 1 and 2, and ``-1`` is refused by it."""

    def __init__(self, most=4):
        self.batches: list[list[int]] = []
        self.reads: list[list[int]] = []
        self.encoder = BatchedEncoder(
            read=self.read, embed=self.embed, size=lambda _: 1, most=most, combine=self.combine
        )

    def read(self, file):
        self.reads.append(file)
        for number in file:
            if number == 0:
                raise InputError("zero", "cannot be read", "leave it out")
            yield np.array([number])

    def embed(self, inputs):
        self.batches.append([int(one[0]) for one in inputs])
        if any(one[0] < 0 for one in inputs):
            raise InputError("input", "is negative", "leave it out")
        return np.stack(inputs).astype(np.float32)

    def combine(self, sizes, rows):
        assert len(sizes) == len(rows)
        return np.stack(rows)

    def run(self, sources, *, strict=False):
        return list(embed_in_batches(sources, self.encoder, strict=strict))


def values(found):
    return [
        (index, str(one) if isinstance(one, InputError) else [rows[:, 0].tolist() for rows in one])
        for index, one in found
    ]


def test_inputs_share_batches_and_every_source_gets_its_own():
    counted = Counted()
    sources = [(1,), (2, 3), [(4,), (5, 6)], (7,), (8,)]
    assert values(counted.run(sources)) == [
        (0, [[1]]), (1, [[2, 3]]), (2, [[4], [5, 6]]), (3, [[7]]), (4, [[8]])
    ]  # fmt: skip
    assert counted.batches == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_a_file_that_cannot_be_read_spoils_nothing_else():
    counted = Counted(most=3)
    found = values(counted.run([(1,), (2, 0), (3,), (4, 5, 6, 7, 0), (8,), []]))
    assert [index for index, _ in found] == [0, 1, 2, 3, 4, 5]
    assert [one for _, one in found if isinstance(one, list)] == [[[1]], [[3]], [[8]]]
    assert "zero" in found[1][1] and "zero" in found[3][1] and "input 5: is an empty list" in found[5][1]
    assert counted.batches[0] == [1, 3, 4]  # what a faulty file gave first is not embedded


def test_an_input_that_the_encoder_refuses_spoils_its_source_only():
    counted = Counted(most=3)
    found = values(counted.run([(1,), (-1,), (2,), (3, -2, 4, 5), (6,)]))
    assert [one for _, one in found if isinstance(one, list)] == [[[1]], [[2]], [[6]]]
    assert [index for index, one in found if isinstance(one, str) and "negative" in one] == [1, 3]


def test_where_errors_end_the_work_nothing_is_read_behind_the_first():
    counted = Counted(most=2)
    found = counted.run([(1,), (2,), (3, 0), (4,)], strict=True)
    assert [index for index, _ in found] == [0, 1, 2] and isinstance(found[2][1], InputError)
    assert (4,) not in counted.reads


def test_results_come_before_all_is_read():
    counted = Counted(most=2)
    results = embed_in_batches([(number,) for number in range(1, 100)], counted.encoder, strict=False)
    assert [next(results)[0] for _ in range(2)] == [0, 1] and len(counted.reads) == 3


@pytest.fixture(scope="module")
def matcher():
    return Matcher.load("matcher", precision="32")


def test_voices_in_a_batch_are_embedded_as_alone(matcher, tmp_path):
    waves = [synthetic_voice(seed, 1.0 + 0.7 * seed) for seed in range(5)]
    (tmp_path / "not.wav").write_text("no sound")
    save_sound(tmp_path / "short.wav", waves[0][:1000])
    sources = [(wave, 16_000) for wave in waves]
    given = [*sources[:2], tmp_path / "not.wav", *sources[2:], tmp_path / "short.wav"]
    faults = []
    together = matcher.embed_voices(given, on_error=lambda *fault: faults.append(fault))
    assert [(k, error.what) for k, error in faults] == [
        (2, str(tmp_path / "not.wav")), (6, str(tmp_path / "short.wav"))
    ]  # fmt: skip
    assert np.isnan(together[[2, 6]]).all()
    alone = np.concatenate([matcher.embed_voices([one]) for one in sources])
    np.testing.assert_allclose(together[[0, 1, 3, 4, 5]], alone, atol=1e-6)


def test_faces_in_a_batch_are_embedded_as_alone(matcher, tmp_path):
    pictures = [draw_face(seed, 120) for seed in range(3)]
    (tmp_path / "not.png").write_text("no picture")
    faults = []
    given = [pictures[0], tmp_path / "not.png", [pictures[1], pictures[2]], pictures[2]]
    done = []
    together = matcher._embed_all(
        given, matcher._face_side(), lambda *fault: faults.append(fault), lambda *at: done.append(at)
    )
    assert [(k, error.what) for k, error in faults] == [(1, str(tmp_path / "not.png"))]
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    alone = [matcher.embed_faces([one])[0] for one in (pictures[0], [pictures[1], pictures[2]], pictures[2])]
    np.testing.assert_allclose(together[[0, 2, 3]], alone, atol=2e-6)
