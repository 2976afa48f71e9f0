"""The distillation of CAM++: its targets, teacher forcing, and a training on a small teacher's file."""

import numpy as np
import pytest
import torch

from published_weights import lively, lively_campplus
from voiceface.errors import InputError, MissingPartError
from voiceface.models.campplus_distillation import STATES, CampplusDistillation, relative_error
from voiceface.models.encoder_loading import load_voice_encoder
from voiceface.models.encoders import campplus_student
from voiceface.nn.voice.campplus import BlockSizes, Campplus, campplus_sizes
from voiceface.recipes.campplus_student import CampplusBatches, recipe
from voiceface.training.loop import train

SMALL = {"planes": 2, "blocks": [BlockSizes(1, 4, 8, width) for width in (256, 512, 512)]}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A file of CAM++ with the published widths between its parts and little inside them."""
    path = tmp_path_factory.mktemp("teacher") / "campplus_cn_en_common.pt"
    torch.save(lively_campplus(seed=1, **SMALL).state_dict(), path)
    return path


def small_run(teacher, **arguments):
    asked = {"batch_size": 4, "steps": 2, "forced_steps": 1, "frames": 40, "every": 2, **arguments}
    return recipe(teacher=str(teacher), **asked)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("stages", [1, 2])
def test_the_sizes_are_read_from_the_tensors(stages, bias):
    sizes = {"bands": 16, "planes": 4, "maps": 6, "stages": stages, "channels": 10, "bias": bias, "dim": 5}
    sizes["blocks"] = (BlockSizes(2, 4, 8, 12), BlockSizes(3, 6, 7, 14), BlockSizes(1, 8, 6, 16))
    network = Campplus(**sizes)
    assert campplus_sizes(network.state_dict()) == sizes
    assert network.eval()(torch.randn(2, 50, 16)).shape == (2, 5)


def test_a_teacher_forced_part_gets_the_teachers_state():
    """With the states of another network given, each state depends on the one before it alone."""
    own, other = (lively(Campplus(**SMALL), seed=seed) for seed in (1, 2))
    frames = torch.randn(2, 60, 80)
    with torch.no_grad():
        given = other.states(frames)
        forced = own.states(frames, {name: given[name] for name in STATES})
        torch.testing.assert_close(forced["tdnn"], own.states(frames)["tdnn"])
        after = own.xvector["block1"](given["tdnn"])
        torch.testing.assert_close(forced["transit1"], own.xvector["transit1"](after))
        rest = own.xvector["transit3"](own.xvector["block3"](given["transit2"]))
        torch.testing.assert_close(forced["out_nonlinear"], own.xvector["out_nonlinear"](rest))
        pooled = torch.cat([given["out_nonlinear"].mean(2), given["out_nonlinear"].std(2)], 1)
        torch.testing.assert_close(forced["dense"], own.xvector["dense"](pooled))
        assert not torch.allclose(forced["transit1"], own.states(frames)["transit1"])


def test_errors_count_by_each_channels_variance():
    target = torch.randn(8, 5, 50) * torch.tensor([1.0, 10.0, 100.0, 10.0, 0.0])[:, None] + 7
    found = target + target.std((0, 2))[:, None]
    wanted = []
    for channel in range(5):
        deviations = [float(target[:, other].std()) for other in range(5)]
        scale = max(deviations[channel], 0.2 * float(np.median(deviations)))
        wanted.append((deviations[channel] / scale) ** 2)
    assert float(relative_error(found, target)) == pytest.approx(np.mean(wanted), rel=1e-4)


def test_a_student_equal_to_its_teacher_has_no_loss(teacher, tiny_corpus):
    run = small_run(teacher)
    split = run.split(tiny_corpus())
    facts = run.facts(split.train)
    for step in (0, 1):  # with teacher forcing and without
        batch = run.data(split.train, facts).batch(step)
        assert batch["forced"] == (step == 0)
        model = CampplusDistillation(Campplus(**SMALL)).eval()
        model.student.load_state_dict(torch.load(teacher))
        with torch.no_grad():
            assert float(model.imitate(batch, None)["loss"]) == pytest.approx(0, abs=1e-4)
            model.student.xvector["dense"].linear.weight.neg_()
            assert float(model.imitate(batch, None)["loss"]) > 1


@pytest.mark.parametrize(("forced", "weights"), [(True, (1, 1, 1)), (False, (0.5, 2, 4))])
def test_the_loss_is_its_weighted_parts(forced, weights):
    """The parts by numpy, from what the student answers."""
    torch.manual_seed(0)
    model = CampplusDistillation(lively_campplus(seed=2, **SMALL)).eval()
    with torch.no_grad():
        frames = torch.randn(3, 40, 80)
        given = lively_campplus(seed=1, **SMALL).states(frames)
        mean = torch.randn(192).expand(3, -1)
        batch = {"frames": frames, **given, "mean": mean, "forced": forced}
        loss = float(model.imitate(batch, None)["loss"])
        found = model.student.states(frames, {name: given[name] for name in STATES} if forced else None)
        states = sum(float(relative_error(found[name], given[name])) for name in STATES)
    own, wanted = (side["dense"].double().numpy() - mean.numpy() for side in (found, given))
    error = ((own - wanted) ** 2).mean() / (wanted**2).mean()
    lengths = np.linalg.norm(own, axis=1) * np.linalg.norm(wanted, axis=1)
    parts = states, error, 1 - ((own * wanted).sum(1) / lengths).mean()
    assert loss == pytest.approx(np.dot(weights, parts), rel=1e-4)


def test_the_student_starts_at_the_level_of_the_teachers_states():
    """Channels of very different spread: a student that starts elsewhere is far off at first."""
    torch.manual_seed(0)
    frames, teacher = torch.randn(6, 60, 80), lively_campplus(seed=1, **SMALL)
    with torch.no_grad():
        teacher.xvector["tdnn"].nonlinear.batchnorm.weight.mul_(torch.logspace(-2, 1, 128))
        states = teacher.states(frames)
        errors = []
        for started in (False, True):
            model = CampplusDistillation(Campplus(bias=True, **SMALL)).train()
            if started:
                model.start(states)
            found = model.student.states(frames, states)
            errors.append([float(relative_error(found[name], states[name])) for name in STATES])
    assert max(errors[1]) < 5 and errors[1][0] < errors[0][0] / 10
    assert all(after < before for before, after in zip(*errors, strict=True))


def test_the_mean_embedding_is_that_of_its_crops(teacher, tiny_corpus):
    run = small_run(teacher)
    split = run.split(tiny_corpus())
    mean = np.array(run.facts(split.train)["mean_embedding"])
    batches = run.data(split.train, {"mean_embedding": mean.tolist()})
    embeddings = torch.cat([batches.batch(step)["dense"] for step in range(16)]).numpy()
    spread = embeddings.std(0) / len(embeddings) ** 0.5
    assert np.abs((embeddings.mean(0) - mean) / spread).mean() < 2
    assert np.abs(mean / spread).mean() > 4  # the mean is far from zero here


def test_the_teacher_is_asked_once_for_what_every_validation_needs(teacher, tiny_corpus, monkeypatch):
    """The first validation as the batches give it, the second without the teacher and from other weights."""
    run = small_run(teacher)
    split = run.split(tiny_corpus())
    facts = run.facts(split.train)
    model = CampplusDistillation(Campplus(**SMALL)).eval()
    with torch.no_grad():
        found = run.validate(model, split.train, facts)
        plain = run.data(split.train, facts, augment=0.0, forced_steps=0, batch_size=32, seed=1)
        batches = [plain.batch(step) for step in range(4)]
        own = torch.cat([model.student(batch["frames"]) for batch in batches]) - plain.mean
        wanted = torch.cat([batch["dense"] for batch in batches]) - plain.mean
        cosine = float(torch.cosine_similarity(own, wanted).mean())
        assert (
            found["cosine"] == pytest.approx(cosine, abs=1e-5) and found["cosine_altered"] != found["cosine"]
        )
        asked = []
        monkeypatch.setattr(CampplusBatches, "batch", lambda *given: asked.append(given))
        assert run.validate(model, split.train, facts) == found and not asked
        model.student.xvector["dense"].linear.weight.neg_()
        assert run.validate(model, split.train, facts)["cosine"] != found["cosine"] and not asked


def test_the_level_of_the_embedding_is_not_normalised_in_training():
    model = CampplusDistillation(Campplus(**SMALL)).train()
    before = model.student.xvector["dense"].nonlinear.batchnorm.running_mean.clone()
    model.student(torch.randn(4, 60, 80))
    torch.testing.assert_close(model.student.xvector["dense"].nonlinear.batchnorm.running_mean, before)
    assert model.student.xvector["out_nonlinear"].batchnorm.training


def test_it_learns_and_its_weights_serve_as_an_encoder(teacher, tiny_corpus, tmp_path):
    run = small_run(teacher, steps=4, forced_steps=2, every=4)
    weights = train(run, tiny_corpus(), tmp_path / "t", device="cpu", progress=False)
    encoder = load_voice_encoder(f"campplus_student={weights}")
    assert encoder.name == "campplus_student" and encoder.dim == 192
    assert load_voice_encoder(str(weights)).fingerprint == encoder.fingerprint
    wave = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    assert encoder.embed([wave]).shape == (1, 192)


def test_its_faults_are_one_line(tmp_path):
    with pytest.raises(MissingPartError, match="train campplus_student"):
        campplus_student.load()
    assert not campplus_student.recognises_weights(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(InputError, match="complete voice encoder"):
        campplus_student.load(tmp_path)
    (tmp_path / "run.json").write_text("[1")
    assert not campplus_student.recognises_weights(tmp_path)
