"""The contracts of voice and face encoders, as checks that take one: ours and a newcomer's.

``check_voice_encoder("voiceface.models.encoders.NAME")`` runs all of them on one module. It also takes the
module itself, and an encoder that is loaded already (from weights that a test made, say).
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from types import ModuleType

import numpy as np
import pytest
import torch

from corpus_media import synthetic_voice
from voiceface.errors import InputError
from voiceface.face.align import TEMPLATES
from voiceface.models.face_encoder import FaceEncoder
from voiceface.models.voice_encoder import VoiceEncoder

SECONDS = (0.05, 1.0, 1.7, 33.0)
NOT_A_WAVE = [
    (np.zeros(0, np.float32), "has shape"),
    (np.zeros((2, 100), np.float32), "has shape"),
    (np.array([0.0, np.nan, 0.1] * 900, np.float32), "NaN"),
    (np.array([0.0, np.inf, 0.1] * 900, np.float32), "NaN or infinite"),
    (np.full(3000, 128, np.uint8), "uint8"),
    (np.zeros(3000, np.complex64), "complex64"),
]


def check_voice_encoder(module: str | ModuleType, encoder: VoiceEncoder | None = None) -> None:
    """Run every check on a module of ``models/encoders/``, and on what its ``load`` gives or ``encoder``."""
    module = importlib.import_module(module) if isinstance(module, str) else module
    encoder = encoder or module.load()
    assert encoder.name == module.__name__.rpartition(".")[2], "name is the file's name"
    assert "device" in inspect.signature(module.load).parameters, "load takes a device"
    for check in VOICE_CHECKS:
        check(encoder)


def check_face_encoder(encoder: FaceEncoder) -> None:
    """Run every check on a face encoder that is loaded."""
    assert isinstance(encoder, FaceEncoder) and encoder.fingerprint and encoder.template in TEMPLATES
    its_networks_are_frozen(encoder)
    shape = (18, encoder.size, encoder.size, 3)
    faces = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    embeddings = encoder.embed(faces)
    assert embeddings.shape == (18, encoder.dim) and embeddings.dtype == np.float32
    assert np.isfinite(embeddings).all() and np.abs(embeddings[0] - embeddings[1]).max() > 1e-3
    scale = np.abs(embeddings).max()
    for same in (encoder.embed(faces[17:]), encoder.embed(faces[17:, :, ::-1])):  # alone, and mirrored
        np.testing.assert_allclose(same[0], embeddings[17], atol=1e-4 * scale)
    assert encoder.embed(faces[:0]).shape == (0, encoder.dim)
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_allclose(encoder.embed(faces[:1])[0], embeddings[0], atol=1e-4 * scale)
    (half,) = encoder.embed(faces[:1], bf16=True)
    assert half.dtype == np.float32
    assert half @ embeddings[0] > 0.99 * np.linalg.norm(half) * np.linalg.norm(embeddings[0])
    for wrong in (faces[:, 1:], faces[0], faces.astype(np.float32)):
        with pytest.raises(InputError, match="aligned faces: have the shape"):
            encoder.embed(wrong)


def says_who_it_is(encoder):
    assert isinstance(encoder, VoiceEncoder)
    assert encoder.dim > 0 and encoder.fingerprint and isinstance(encoder.fingerprint, str)


def its_networks_are_frozen(encoder):
    networks = [part for part in vars(encoder).values() if isinstance(part, torch.nn.Module)]
    for network in networks:
        assert not any(p.requires_grad for p in network.parameters()) and not network.training


def short_and_long_recordings_give_embeddings_of_length_one(encoder):
    for seconds in SECONDS:
        (embedding,) = encoder.embed([synthetic_voice(1, seconds)])
        assert embedding.shape == (encoder.dim,) and embedding.dtype == np.float32
        assert np.linalg.norm(embedding) == pytest.approx(1.0, abs=1e-5), f"{seconds} s"


def a_recording_is_the_same_alone_and_among_others(encoder):
    waves = [synthetic_voice(seed, seconds) for seed, seconds in enumerate([2.0, 0.4, 5.3, 1.6])]
    together = encoder.embed(waves)
    for wave, embedding in zip(waves, together, strict=True):
        np.testing.assert_allclose(encoder.embed([wave])[0], embedding, atol=1e-5)
    assert np.abs(together[0] - together[2]).max() > 1e-3


def more_recordings_than_a_block_keep_their_order(encoder):
    waves = [synthetic_voice(seed % 3, 1.7) for seed in range(67)]
    embeddings = encoder.embed(waves)
    assert embeddings.shape == (67, encoder.dim)
    for index in (1, 63, 64, 66):
        np.testing.assert_allclose(embeddings[index], embeddings[index % 3], atol=1e-5)
    assert np.abs(embeddings[64] - embeddings[65]).max() > 1e-3


def int16_is_the_float_wave(encoder):
    wave = np.round(synthetic_voice(2) * 32768).astype(np.int16)
    # The level is raised to one loudness for both, so a wrong scale would show in a loud wave only.
    loud = (wave.astype(int) * 2).clip(-32768, 32767).astype(np.int16)
    for samples in (wave, loud):
        as_float = samples.astype(np.float32) / 32768
        np.testing.assert_allclose(encoder.embed([samples]), encoder.embed([as_float]), atol=1e-6)
    np.testing.assert_allclose(
        encoder.embed([loud.astype(np.int32) * 65536]), encoder.embed([loud]), atol=1e-5
    )


def silence_gives_a_finite_embedding(encoder):
    assert np.isfinite(encoder.embed([np.zeros(16_000, np.float32)])).all()


def nothing_gives_no_embeddings(encoder):
    assert encoder.embed([]).shape == (0, encoder.dim)


def what_is_no_wave_is_refused_with_its_fault(encoder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for wave, fault in NOT_A_WAVE:
            with pytest.raises(InputError, match=f"wave: .*{fault}"):
                encoder.embed([synthetic_voice(1), wave])


def under_bf16_embeddings_are_float32_and_nearly_the_same(encoder):
    wave = synthetic_voice(4, 2.0)
    with torch.autocast("cpu", torch.bfloat16):
        embeddings = encoder.embed([wave])
    assert embeddings.dtype == np.float32
    assert float(embeddings[0] @ encoder.embed([wave])[0]) > 0.99


VOICE_CHECKS = (
    says_who_it_is,
    its_networks_are_frozen,
    short_and_long_recordings_give_embeddings_of_length_one,
    a_recording_is_the_same_alone_and_among_others,
    more_recordings_than_a_block_keep_their_order,
    int16_is_the_float_wave,
    silence_gives_a_finite_embedding,
    nothing_gives_no_embeddings,
    what_is_no_wave_is_refused_with_its_fault,
    under_bf16_embeddings_are_float32_and_nearly_the_same,
)
