"""A training of a model that generates faces shows TensorBoard what it makes of a few validation voices."""

import io
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from voiceface.models import generated_faces
from voiceface.models.corpus_faces import aligned_faces
from voiceface.models.generated_faces import generated_above_real
from voiceface.pipelines.weights import load_model
from voiceface.recipes import roldan_name2face, roldan_speech2face
from voiceface.training import trainer
from voiceface.training.loop import train


class Killed(BaseException):
    """Stands for a kill."""


def killed_at(run, last):
    """The same run, whose process dies at a step."""

    def data(selection, facts):
        made = run.data(selection, facts)
        batch = made.batch

        def until(step):
            if step == last:
                raise Killed
            return batch(step)

        made.batch = until
        return made

    return replace(run, data=data)


def pictures_of(folder):
    """Step and pixels of every picture in a training's event files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "curves"), size_guidance={"images": 0})
    events.Reload()
    read = [(one.step, Image.open(io.BytesIO(one.encoded_image_string))) for one in events.Images("faces")]
    return [(step, np.asarray(picture)) for step, picture in read]


def test_the_event_files_hold_generated_faces_above_real_ones(tiny_corpus, tmp_path, monkeypatch):
    # Without its figures, which cost more than all else here, the last step is exported.
    corpus, run = tiny_corpus(), replace(roldan_speech2face.smoke(), validate=None)
    weights = train(run, corpus, tmp_path / "whole", device="cpu", progress=False)
    with pytest.raises(Killed):
        train(killed_at(run, 3), corpus, tmp_path / "cut", device="cpu", progress=False)
    time.sleep(1.01 - time.time() % 1)  # TensorBoard orders its files by the second they were opened in
    train(run, corpus, tmp_path / "cut", device="cpu", progress=False)

    shown = pictures_of(tmp_path / "whole")
    assert [step for step, _ in shown] == [2, 4]
    assert (shown[0][1] != shown[1][1]).any()
    for (step, one), (again, other) in zip(shown, pictures_of(tmp_path / "cut"), strict=True):
        assert step == again and (one == other).all()

    # The last picture is what the exported weights make, and the real faces are those of the same people.
    validation = run.split(corpus).validation
    picture = shown[-1][1]
    assert picture.shape == (2 * 16, 8 * 16, 3)
    assert (picture == generated_above_real(load_model(weights).model, validation)).all()

    # Neither weights nor log know of it.
    monkeypatch.setattr(trainer, "generated_above_real", lambda *_: None)
    plain = train(run, corpus, tmp_path / "plain", device="cpu", progress=False)
    for name in ("log.jsonl", "weights/model.safetensors", "weights/run.json"):
        assert (plain.parent / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_a_persons_real_face_is_below_the_one_generated_from_their_voice(tiny_corpus, monkeypatch):
    corpus, run = tiny_corpus(), roldan_speech2face.smoke()
    validation = run.split(corpus).validation
    asked = []

    def generated(model, selection, **_):
        asked.extend(selection.person_of("voices").tolist())
        return np.arange(len(asked), dtype=np.uint8)[:, None, None, None] + np.zeros((16, 16, 3), np.uint8)

    monkeypatch.setattr(generated_faces, "generate_for_selection", generated)
    facts = {"people": validation.people, "descriptor_mean": [0.0] * 128}
    model = run.build(facts)
    faceless = replace(validation, faces=validation.faces[3:])
    picture = generated_above_real(model, faceless, most=3)
    assert picture.shape == (32, 48, 3) and len(set(asked)) == 3
    for k, person in enumerate(asked):
        column = picture[:, 16 * k : 16 * (k + 1)]
        face = faceless.faces[faceless.person_of("faces") == person][:1]
        assert (column[:16] == k).all()
        assert (column[16:] == aligned_faces(corpus, face, 16, template="dlib")[0]).all()
    assert generated_above_real(model, replace(validation, faces=validation.faces[:0])) is None
    assert generated_above_real(roldan_name2face.smoke().build(facts), validation) is None
