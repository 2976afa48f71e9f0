"""Small weights in the exact formats and with the exact names that others publish, made at random."""

import json
import re

import torch

from voiceface.nn.face.facenet import FaceNet
from voiceface.nn.face.iresnet import IResNet
from voiceface.nn.voice.campplus import BlockSizes, Campplus
from voiceface.nn.voice.ecapa import Ecapa


def lively(network, seed):
    """Random statistics too, so that a normalisation left out would show."""
    random = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0, generator=random)
        elif tensor.is_floating_point():
            scale = max(1, tensor[0].numel()) ** -0.5 if tensor.ndim > 1 else 0.3
            tensor.normal_(
                1.0 if re.search(r"(norm|bn\d?|\.1)\.weight$", name) else 0.0, scale, generator=random
            )
    return network.eval()


def ecapa_file(path, seed=0):
    """SpeechBrain's ``embedding_model.ckpt``: every layer is wrapped once more."""
    network = lively(
        Ecapa(bands=80, channels=16, aggregated=24, attention=8, squeeze=6, scale=8, dim=10), seed
    )
    tensors = {}
    for name, tensor in network.state_dict().items():
        layer, leaf = name.rsplit(".", 1)
        wrapped = "norm" if layer.split(".")[-1] in ("norm", "asp_bn") else "conv"
        tensors[f"{layer}.{wrapped}.{leaf}"] = tensor
    torch.save(tensors, path)
    return network


def lively_campplus(seed=0, **sizes):
    """Random, with its last layer's statistics those of frames: with others all embeddings would be equal."""
    network = lively(Campplus(**sizes), seed)
    last = network.xvector["dense"].nonlinear.batchnorm.train()
    last.momentum = 1.0
    with torch.no_grad():
        frames = torch.randn(8, 150, network.bands, generator=torch.Generator().manual_seed(seed))
        network(3 * frames)
    last.eval()
    return network


def campplus_file(path, seed=0):
    """3D-Speaker's ``campplus_cn_en_common.pt``, narrower and with fewer dense layers."""
    blocks = [BlockSizes(2, 4, 16, 10), BlockSizes(3, 4, 16, 11), BlockSizes(2, 4, 16, 9)]
    network = lively_campplus(seed, bands=16, planes=4, channels=12, blocks=blocks, dim=10)
    torch.save(network.state_dict(), path)
    return network


STEM = {
    "0": "conv2d_1a",
    "1": "conv2d_2a",
    "2": "conv2d_2b",
    "4": "conv2d_3b",
    "5": "conv2d_4a",
    "6": "conv2d_4b",
}


def facenet_file(path, seed=0, people=5):
    """facenet-pytorch's state dict, its classifier of the training people with it."""
    network = lively(FaceNet(dim=12, width=1 / 16), seed)
    tensors = {}
    for name, tensor in network.state_dict().items():
        *place, leaf = name.split(".")
        if place[0] in ("dense", "norm"):
            tensors[f"last_{'linear' if place[0] == 'dense' else 'bn'}.{leaf}"] = tensor
            continue
        place = place[1:] if place[0] == "trunk" else ["block8", *place[1:]]
        inner = {"0": "conv", "1": "bn"}.get(place[-1], "")
        if place[0] == "stem":
            words = [STEM[place[1]]]
        elif place[0].startswith("reduce"):
            block = {"reduce_a": "mixed_6a", "reduce_b": "mixed_7a"}[place[0]]
            words = [block, f"branch{place[1]}", *place[2:-1]]
        else:
            block = {"a": "repeat_1", "b": "repeat_2", "c": "repeat_3"}.get(place[0], "block8")
            words = [block, place[1]] if block != "block8" else [block]
            rest = place[2:] if block != "block8" else place[1:]
            words += ["conv2d"] if rest == ["back"] else [f"branch{rest[1]}", *rest[2:-1]]
            inner = "" if rest == ["back"] else inner
        tensors[".".join([*words, inner, leaf] if inner else [*words, leaf])] = tensor
    tensors |= {"logits.weight": torch.zeros(people, 12), "logits.bias": torch.zeros(people)}
    torch.save(tensors, path)
    return network


def arcface_file(path, seed=0):
    """insightface's ``backbone.pth``."""
    network = lively(IResNet(depths=(1, 2, 2, 1), width=4, dim=12), seed)
    torch.save(network.state_dict(), path)
    return network


def wavlm_folder(folder, *, xvector, older=False, seed=0):
    """A folder of the Hugging Face hub: x-vectors or a bare body; ``older``: a ``.bin`` of earlier years."""
    import transformers
    from safetensors.torch import save_file

    told = {
        "model_type": "wavlm",
        "architectures": ["WavLMForXVector" if xvector else "WavLMModel"],
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "conv_dim": [8] * 7,
        "tdnn_dim": [12, 12, 12, 12, 20],
        "xvector_output_dim": 10,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 2,
        "num_buckets": 32,
        "max_bucket_distance": 64,
    }
    torch.manual_seed(seed)
    config = transformers.WavLMConfig(**told)
    network = (transformers.WavLMForXVector if xvector else transformers.WavLMModel)(config).eval()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(told))
    tensors = dict(network.state_dict())
    if older:
        for new, old in (("original0", "weight_g"), ("original1", "weight_v")):
            for name in [n for n in tensors if n.endswith(f"parametrizations.weight.{new}")]:
                tensors[name.replace(f"parametrizations.weight.{new}", old)] = tensors.pop(name)
        torch.save(tensors, folder / "pytorch_model.bin")
    else:
        save_file(
            {name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors"
        )
    return network
