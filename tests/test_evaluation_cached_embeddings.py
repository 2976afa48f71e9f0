"""A corpus embedded for `evaluate --model`: in blocks that survive a kill, with matchers of both kinds."""

import shutil
from contextlib import contextmanager

import pytest
import torch

from cli_fixtures import require_ge2e
from voiceface.corpus.corpus import Corpus
from voiceface.evaluation.cached_embeddings import cached_embeddings
from voiceface.models.encoder_loading import load_voice_encoder
from voiceface.models.grouped_matching import GroupedMatching
from voiceface.pipelines import embed
from voiceface.pipelines.matcher import Matcher
from voiceface.pipelines.weights import load_model
from voiceface.recipes import matcher as recipe
from voiceface.synthetic.tiny_corpus import tiny_corpus
from voiceface.training.weights import write_weights


class Killed(BaseException):
    """Stands for a kill."""


@contextmanager
def bar(title):
    yield lambda done, total: None


@pytest.mark.parametrize("groups", [True, False])
def test_killed_it_goes_on_after_the_blocks_that_were_done(tmp_path, monkeypatch, groups):
    require_ge2e()
    pytest.importorskip("espeakng_loader")
    # A copy: what is embedded is kept beside a corpus.
    path = shutil.copytree(tiny_corpus().path, tmp_path / "corpus", ignore=shutil.ignore_patterns("*.npz"))
    corpus, encoder = Corpus.open(path), load_voice_encoder("ge2e")
    run = recipe.recipe(voice_encoder="ge2e", face_encoder="dlib", groups=groups, dim=4)
    facts = {"voice_width": encoder.dim, "voice_fingerprint": encoder.fingerprint, "groups": groups}
    torch.manual_seed(0)
    model = run.build(facts)
    for tensor in model.weights().values():  # as built they map everything to zero
        tensor.normal_()
    card = {"recipe": "matcher", "arguments": dict(run.arguments), "facts": facts, "people": {"count": 40}}
    weights = write_weights(tmp_path / f"matcher-{groups}", model.weights(), card)
    assert isinstance(load_model(weights).model, GroupedMatching) is groups
    monkeypatch.setattr(embed, "_BLOCK", 4)
    monkeypatch.setattr(Matcher, "embed_corpus_items", (blocks := Blocks(Matcher.embed_corpus_items)).embed)
    blocks.left = 2
    with pytest.raises(Killed):
        cached_embeddings(weights, corpus, known_people="keep", bar=bar)
    blocks.left = 1000
    done = cached_embeddings(weights, corpus, known_people="keep", bar=bar)
    assert done.voices.is_file() and done.faces.is_file()
    for kind in ("voices", "faces"):
        count = len(corpus.tables[kind])
        assert [first for one, first in blocks.done if one == kind] == list(range(0, count, 4))
    cached_embeddings(weights, corpus, known_people="keep", bar=bar)
    assert len(blocks.done) == len(set(blocks.done))


class Blocks:
    """Records the blocks that were embedded, and kills when none are left to do."""

    def __init__(self, plain):
        self.plain, self.done, self.left = plain, [], 0

    @property
    def embed(self):
        def one(matcher, corpus, kind, indices):
            if not self.left:
                raise Killed
            self.left -= 1
            self.done.append((kind, indices[0]))
            return self.plain(matcher, corpus, kind, indices)

        return one
