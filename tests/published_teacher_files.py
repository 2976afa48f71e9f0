"""What the published files of Speech2Video's teachers hold, written down from their names; and small ones."""

import torch


def vgg_shapes(width=64, units=4096, left=7, people=2622):
    shapes, source = {}, 3
    for block, (depth, wider) in enumerate([(2, 1), (2, 2), (3, 4), (3, 8), (3, 8)], start=1):
        for layer in range(1, depth + 1):
            shapes[f"conv{block}_{layer}.weight"] = (wider * width, source, 3, 3)
            shapes[f"conv{block}_{layer}.bias"] = (wider * width,)
            source = wider * width
    for name, target, inputs in [
        ("fc6", units, source * left**2),
        ("fc7", units, units),
        ("fc8", people, units),
    ]:
        shapes |= {f"{name}.weight": (target, inputs), f"{name}.bias": (target,)}
    return shapes


def senet_shapes(width=64, stages=(3, 4, 6, 3), emotions=8):
    shapes = {}

    def unit(name, target, source, kernel):
        shapes[f"{name}.weight"] = (target, source, kernel, kernel)
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}_bn.{leaf}"] = (target,)
        shapes[f"{name}_bn.num_batches_tracked"] = ()

    unit("conv1_7x7_s2", width, 3, 7)
    source = width
    for stage, count in enumerate(stages):
        inner = width * 2**stage
        wide = 4 * inner
        for block in range(count):
            at = f"conv{stage + 2}_{block + 1}"
            unit(f"{at}_1x1_reduce", inner, source, 1)
            unit(f"{at}_3x3", inner, inner, 3)
            unit(f"{at}_1x1_increase", wide, inner, 1)
            if block == 0:
                unit(f"{at}_1x1_proj", wide, source, 1)
            shapes |= {
                f"{at}_1x1_down.weight": (wide // 16, wide, 1, 1),
                f"{at}_1x1_down.bias": (wide // 16,),
            }
            shapes |= {f"{at}_1x1_up.weight": (wide, wide // 16, 1, 1), f"{at}_1x1_up.bias": (wide,)}
            source = wide
    return shapes | {"classifier.weight": (emotions, source, 1, 1), "classifier.bias": (emotions,)}


def made(shapes, seed=0):
    """Numbers that reach the last layer, and statistics that show a normalisation left out."""
    random, tensors = torch.Generator().manual_seed(seed), {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            tensors[name] = torch.tensor(7)
        elif name.endswith("running_var"):
            tensors[name] = torch.rand(shape, generator=random) * 1.5 + 0.5
        elif name.endswith("_bn.weight"):
            tensors[name] = torch.rand(shape, generator=random) + 0.5
        elif len(shape) > 1:
            spread = (2 / torch.Size(shape[1:]).numel()) ** 0.5
            tensors[name] = torch.randn(shape, generator=random) * spread
        else:
            tensors[name] = torch.randn(shape, generator=random) * 0.3
    return tensors


SMALL = {
    "vggface": vgg_shapes(width=2, units=12, left=2, people=5),
    "ferplus": senet_shapes(width=8, stages=(1, 2, 1, 2)),
}
