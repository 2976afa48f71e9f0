"""Our voice encoder is a stack of plain LSTMs, and led by its own states it goes where it goes freely."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from voiceface.nn.voice.recurrent_voice import RecurrentVoice


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    made = RecurrentVoice(bands=6, hidden=10, layers=3, dim=5)
    made.scale.copy_(torch.linspace(0.2, 3.0, 6))
    return made


@pytest.fixture
def mels():
    return torch.rand(4, 17, 6, generator=torch.Generator().manual_seed(1))


def plain(encoder):
    """torch's own stacked LSTM with the same weights."""
    lstm = nn.LSTM(6, 10, 3, batch_first=True)
    given = {}
    for k, layer in enumerate(encoder.layers):
        given |= {name.replace("_l0", f"_l{k}"): tensor for name, tensor in layer.state_dict().items()}
    lstm.load_state_dict(given)
    return lstm


def test_it_is_a_plain_stacked_lstm_on_scaled_mels(encoder, mels):
    outputs, _ = plain(encoder)(mels / torch.linspace(0.2, 3.0, 6))
    torch.testing.assert_close(encoder.states(mels)[-1], outputs)
    row = F.linear(outputs[:, -1], encoder.linear.weight, encoder.linear.bias).clamp_min(0)
    torch.testing.assert_close(encoder(mels), row / row.norm(dim=1, keepdim=True))


def test_led_by_its_own_states_it_goes_where_it_goes_freely(encoder, mels):
    free = torch.stack(encoder.states(mels))
    torch.testing.assert_close(encoder.forced_states(mels, free), free, atol=1e-6, rtol=1e-5)


def test_led_by_others_a_layer_answers_to_the_one_below_and_its_past_alone(encoder, mels):
    taught = torch.rand(3, 4, 17, 10, generator=torch.Generator().manual_seed(2))
    forced = encoder.forced_states(mels, taught)
    # One cell, one window, one frame at a time, its past hidden state replaced by the teacher's.
    below = [mels / encoder.scale, taught[0], taught[1]]
    for k, layer in enumerate(encoder.layers):
        cell = nn.LSTMCell(below[k].shape[-1], 10)
        cell.load_state_dict({n.removesuffix("_l0"): t for n, t in layer.state_dict().items()})
        memory = torch.zeros(4, 10)
        for frame in range(17):
            past = taught[k][:, frame - 1] if frame else torch.zeros(4, 10)
            state, memory = cell(below[k][:, frame], (past, memory))
            torch.testing.assert_close(forced[k][:, frame], state, atol=1e-6, rtol=1e-5)


def test_led_states_carry_gradients_to_every_layer(encoder, mels):
    taught = torch.rand(3, 4, 17, 10)
    encoder.forced_states(mels, taught).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for layer in encoder.layers for p in layer.parameters())


def test_rows_are_of_length_one_and_never_negative(encoder, mels):
    rows = encoder(mels)
    assert rows.shape == (4, 5) and (rows >= 0).all()
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(4))


def test_the_scale_is_saved_with_the_weights(encoder, mels):
    other = RecurrentVoice(bands=6, hidden=10, layers=3, dim=5)
    assert not torch.allclose(other(mels), encoder(mels))
    other.load_state_dict(encoder.state_dict())
    assert torch.equal(other(mels), encoder(mels))


def test_at_first_it_remembers(encoder):
    for layer in encoder.layers:
        assert (layer.bias_ih_l0[10:20] == 1).all()  # torch's order: in, forget, new, out
        assert not (layer.bias_ih_l0[:10] == 1).any()
