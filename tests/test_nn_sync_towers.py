"""The sync expert's towers and loss, against slow loops; SyncNet's published shape."""

import math

import pytest
import torch

from voiceface.nn.sync_towers import MouthNet, SoundNet, sync_nce
from voiceface.nn.syncnet import SyncNet

PUBLISHED = {
    "netcnnaud.0": (64, 1, 3, 3), "netcnnaud.4": (192, 64, 3, 3), "netcnnaud.8": (384, 192, 3, 3),
    "netcnnaud.11": (256, 384, 3, 3), "netcnnaud.14": (256, 256, 3, 3), "netcnnaud.18": (512, 256, 5, 4),
    "netfcaud.0": (512, 512), "netfcaud.3": (1024, 512), "netfclip.0": (512, 512), "netfclip.3": (1024, 512),
    "netcnnlip.0": (96, 3, 5, 7, 7), "netcnnlip.4": (256, 96, 1, 5, 5), "netcnnlip.8": (256, 256, 1, 3, 3),
    "netcnnlip.11": (256, 256, 1, 3, 3), "netcnnlip.14": (256, 256, 1, 3, 3),
    "netcnnlip.18": (512, 256, 1, 6, 6),
}  # fmt: skip
NORMS = {
    "netcnnaud": {1: 64, 5: 192, 9: 384, 12: 256, 15: 256, 19: 512},
    "netcnnlip": {1: 96, 5: 256, 9: 256, 12: 256, 15: 256, 19: 512},
    "netfcaud": {1: 512},
    "netfclip": {1: 512},
}


def published_state():
    """Names and shapes of every tensor of the published file."""
    state = {}
    for name, shape in PUBLISHED.items():
        state |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for tower, places in NORMS.items():
        for place, width in places.items():
            for part in ("weight", "bias", "running_mean", "running_var"):
                state[f"{tower}.{place}.{part}"] = (width,)
            state[f"{tower}.{place}.num_batches_tracked"] = ()
    return state


def test_syncnet_has_the_published_names_and_shapes():
    assert {n: tuple(t.shape) for n, t in SyncNet().state_dict().items()} == published_state()


def test_syncnet_answers_windows():
    network = SyncNet(dim=8).eval()
    with torch.no_grad():
        assert network.sound(torch.zeros(2, 1, 13, 20)).shape == (2, 8)
        assert network.lips(torch.zeros(1, 3, 5, 224, 224)).shape == (1, 8)


def test_towers_give_rows_of_length_one_whatever_the_light():
    torch.manual_seed(0)
    mouth, sound = MouthNet(width=4, dim=6, size=32).eval(), SoundNet(width=4, dim=6).eval()
    windows = torch.rand(3, 5, 32, 32) * 200
    rows = mouth(windows)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(mouth(windows * 0.5 + 20), rows, atol=1e-4, rtol=1e-3)
    heard = sound(torch.randn(3, 40, 20))
    assert heard.shape == (3, 6)
    torch.testing.assert_close(heard.norm(dim=1), torch.ones(3))


def slow_loss(mouths, sounds, scale, across, near):
    """Window by window, both ways."""
    clips, windows = len(mouths), len(mouths[0])

    def part(others):
        total = 0.0
        for ask, answer in ((mouths, sounds), (sounds, mouths)):
            for c in range(clips):
                for t in range(windows):
                    wanted = scale * sum(a * b for a, b in zip(ask[c][t], answer[c][t], strict=True))
                    among = []
                    for k in range(clips) if others else [c]:
                        for s in range(windows):
                            if k == c and 0 < abs(s - t) <= near:
                                continue
                            among.append(
                                scale * sum(a * b for a, b in zip(ask[c][t], answer[k][s], strict=True))
                            )
                    total += math.log(sum(math.exp(x) for x in among)) - wanted
        return total / (2 * clips * windows)

    return part(False) + across * part(True)


@pytest.mark.parametrize(("across", "near"), [(0.0, 1), (0.4, 1), (1.0, 2)])
def test_the_loss_is_a_slow_loops(across, near):
    torch.manual_seed(1)
    mouths, sounds = (torch.nn.functional.normalize(torch.randn(3, 5, 4), dim=-1) for _ in range(2))
    told = sync_nce(mouths, sounds, scale=torch.tensor(7.0), across=across, near=near)
    slow = slow_loss(mouths.tolist(), sounds.tolist(), 7.0, across, near)
    assert told.item() == pytest.approx(slow, abs=1e-5)


def test_partners_of_their_moment_cost_least():
    rows = torch.eye(6)[None]
    right = sync_nce(rows, rows, scale=torch.tensor(20.0), across=0.0)
    moved = sync_nce(rows, rows.roll(3, 1), scale=torch.tensor(20.0), across=0.0)
    assert right < 1e-3 < 10 < moved
