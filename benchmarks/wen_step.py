"""A training step of `wen_voice2face` against Algorithm 1 written down with a forward wherever one is named.

    python benchmarks/wen_step.py [--batch-size 128] [--repeats 3] [--kernel code] [--bf16] [--threads N]

Both learn from the same batches with the same weights and noise, one step each in turn, so that a machine
busy with other things disturbs both alike. Printed are the medians of wall and processor seconds, drawn
faces a second, and the share of the floor: what the step's products would take at the speed of one large
matrix product here, or its unavoidable bytes at the speed of one large copy, whichever is more. The losses
of the first steps must agree in float32 (checked). bf16 is timed where the processor computes in it (AMX or
AVX512-BF16) and on a GPU, or when asked for; on a GPU a compiled step is timed too.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.models.voice_features import LogmelFeatures
from voiceface.models.wen_gan import WenVoice2Face
from voiceface.training.devices import computes_in_bf16
from voiceface.training.gradients import GradientScope
from voiceface.training.optimisers import build_optimiser
from voiceface.training.run import Optimiser

PEOPLE, FRAMES = 924, 550
ADAM = Optimiser(name="adam", lr=2e-4, betas=(0.5, 0.999))
Batch = dict[str, Tensor]
Step = Callable[[Batch], list[float]]


def make(kernel: str, width: int, device: str) -> WenVoice2Face:
    torch.manual_seed(0)
    model = WenVoice2Face(voice=LogmelFeatures(), classes=PEOPLE, kernel=kernel, width=width)
    model.voice.eval()
    return model.to(device)


def batches(size: int, device: str) -> Batch:
    """One batch, on the device already."""
    draw = torch.Generator().manual_seed(1)
    given = {
        "voices": torch.randn(size, 64, FRAMES, generator=draw),
        "voice_people": torch.randint(PEOPLE, (size,), generator=draw),
        "faces": torch.randint(256, (size, 3, 64, 64), generator=draw, dtype=torch.uint8),
        "face_people": torch.randint(PEOPLE, (size,), generator=draw),
    }
    return {name: tensor.to(device) for name, tensor in given.items()}


class Written:
    """Algorithm 1 as it reads, with the authors' losses: nothing shared, nothing left out of a gradient."""

    def __init__(self, model: WenVoice2Face, *, half: bool, device: str) -> None:
        self.net = copy.deepcopy(model).requires_grad_(True)
        for part in (self.net.generator, self.net.trunk):
            part.to(memory_format=torch.contiguous_format)
        told = (self.net.trunk, self.net.judge, self.net.classifier)
        rates = {"lr": ADAM.lr, "betas": ADAM.betas}
        self.judges = [torch.optim.Adam(part.parameters(), **rates) for part in told]
        self.generator = torch.optim.Adam(self.net.generator.parameters(), **rates)
        self.half, self.device = half, device

    def __call__(self, batch: Batch) -> list[float]:
        """One step; judge's and generator's losses."""
        net, faces = self.net, (batch["faces"].float() - 127.5) / 127.5
        size = len(faces)
        ones, zeros = torch.ones(size, 1, device=self.device), torch.zeros(size, 1, device=self.device)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.half):
            rows = F.normalize(net.voice(batch["voices"]), dim=1)
            rows = F.normalize(rows + 0.05 * torch.randn_like(rows), dim=1)
            drawn = net.generator(rows)
            real = net.judge(net.trunk(faces)).float().sigmoid()
            false = net.judge(net.trunk(drawn.detach())).float().sigmoid()
            named = net.classifier(net.trunk(faces)).float().log_softmax(1)
        judge = F.binary_cross_entropy(real, ones) + F.binary_cross_entropy(false, zeros)
        judge = judge + F.nll_loss(named, batch["face_people"])
        for optimiser in self.judges:
            optimiser.zero_grad()
        judge.backward()
        for optimiser in self.judges:
            optimiser.step()
        with torch.autocast(self.device, torch.bfloat16, enabled=self.half):
            taken = net.judge(net.trunk(drawn)).float().sigmoid()
            told = net.classifier(net.trunk(drawn)).float().log_softmax(1)
        pleased = F.binary_cross_entropy(taken, ones) + F.nll_loss(told, batch["voice_people"])
        self.generator.zero_grad()
        pleased.backward()
        self.generator.step()
        return [judge.item(), pleased.item()]


class Ours:
    """The loop's step: one generator forward, one trunk forward a turn, no gradient where none is used."""

    def __init__(self, model: WenVoice2Face, *, half: bool, device: str, compiled: bool = False) -> None:
        self.net = copy.deepcopy(model)
        self.turns = list(self.net.turns())
        self.gradient_scope = GradientScope(self.net, [list(turn.parameters) for turn in self.turns])
        self.gradient_scope.train()
        self.optimisers = [build_optimiser(ADAM, turn.parameters) for turn in self.turns]
        self.half, self.device = half, device
        self.losses = [turn.loss for turn in self.turns]
        self.shared = self.net.shared
        if compiled:
            self.losses = [torch.compile(loss, mode="max-autotune-no-cudagraphs") for loss in self.losses]
            self.shared = torch.compile(self.shared, mode="max-autotune-no-cudagraphs")

    def __call__(self, batch: Batch) -> list[float]:
        """One step; judge's and generator's losses."""
        self.gradient_scope.enable_all()
        with torch.autocast(self.device, torch.bfloat16, enabled=self.half):
            drawn = self.shared(batch)
        told = []
        for index, (turn, loss) in enumerate(zip(self.turns, self.losses, strict=True)):
            self.gradient_scope.enable_turn(index)
            with torch.autocast(self.device, torch.bfloat16, enabled=self.half):
                named = loss(batch, drawn)
            self.optimisers[index].zero_grad(set_to_none=True)
            torch.autograd.backward(named["loss"], inputs=list(turn.parameters))
            self.optimisers[index].step()
            told.append(named["loss"])
        return [value.item() for value in told]


def work(net: WenVoice2Face, size: int) -> tuple[float, float]:
    """Floating-point operations and bytes that a step cannot do without.

    A layer costs its products once forward, once for the gradient of its input and once for that of its
    weights, where these are wanted. Its answer is written, read by the next layer and again on the way
    back, its gradient written and read; weights, their gradients and Adam's two moments pass once each.
    """
    shapes: list[tuple[nn.Module, int, int]] = []

    def note(module: nn.Module, given: tuple[Tensor], made: Tensor) -> None:
        kernel = module.weight[0, 0].numel()
        tall = given[0] if isinstance(module, nn.ConvTranspose2d) else made
        places = tall[0, 0].numel()
        products = places * kernel * module.in_channels * module.out_channels
        shapes.append((module, products, made[0].numel()))

    kinds = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)
    hooks = [m.register_forward_hook(note) for m in net.modules() if isinstance(m, kinds)]
    with torch.no_grad():
        device = next(net.parameters()).device
        net.voice(torch.zeros(1, 64, FRAMES, device=device))
        net.trunk(net.generator(torch.zeros(1, net.voice.dim, device=device)))
    for hook in hooks:
        hook.remove()
    parts = {"voice": 1.0, "generator": 3.0, "trunk": 2 * 3.0 + 2.0}
    passes = {"voice": 2.0, "generator": 5.0, "trunk": 2 * 5.0 + 5.0}
    owner = {id(m): name for name in parts for m in getattr(net, name).modules()}
    products = sum(2.0 * size * parts[owner[id(m)]] * count for m, count, _ in shapes)
    moved = sum(4.0 * size * passes[owner[id(m)]] * made for m, _, made in shapes)
    learnt = sum(p.numel() for n, p in net.named_parameters() if not n.startswith("voice."))
    return products, moved + 4.0 * 11 * learnt


def speeds(device: str, half: bool) -> tuple[float, float]:
    """Operations a second of one large product, bytes a second of one large copy (best of three)."""
    kind = torch.bfloat16 if half else torch.float32
    a, b = (torch.randn(2048, 2048, device=device).to(kind) for _ in range(2))
    big = torch.zeros(64_000_000, device=device)
    out = torch.empty_like(big)
    found = []
    for act in (lambda: a @ b, lambda: out.copy_(big)):
        act()
        found.append(min(clock(act, device)[1] for _ in range(3)))
    return 2.0 * 2048**3 / found[0], 8.0 * big.numel() / found[1]


def clock(act: Callable[[], object], device: str) -> tuple[float, float]:
    """Wall and processor seconds; on a GPU both are the wall's."""
    if device == "cuda":
        torch.cuda.synchronize()
    wall, cpu = time.perf_counter(), time.process_time()
    act()
    if device == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter() - wall, time.perf_counter() - wall
    return time.perf_counter() - wall, time.process_time() - cpu


def agree(model: WenVoice2Face, batch: Batch, device: str) -> None:
    """Two steps of both in float32: equal losses within rounding, or an AssertionError."""
    steps: list[Step] = [kind(model, half=False, device=device) for kind in (Written, Ours)]
    few = {name: tensor[:8] for name, tensor in batch.items()}
    for number in range(2):
        told = []
        for step in steps:
            torch.manual_seed(number)
            told.append(step(few))
        for one, other in zip(*told, strict=True):
            assert abs(one - other) <= 1e-4 * abs(one), (number, told)
    print("losses of two steps agree within 1e-4 (float32)")


def compare(model: WenVoice2Face, batch: Batch, device: str, *, half: bool, repeats: int) -> None:
    steps: dict[str, Step] = {
        "as written": Written(model, half=half, device=device),
        "ours": Ours(model, half=half, device=device),
    }
    if device == "cuda":
        steps["ours, compiled"] = Ours(model, half=half, device=device, compiled=True)
    size = len(batch["faces"])
    for step in steps.values():
        step(batch)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            times[name].append(clock(lambda step=step: step(batch), device))  # type: ignore[misc]
    products, moved = work(model, size)
    flops, stream = speeds(device, half)
    floor = max(products / flops, moved / (2 if half else 1) / stream)
    kind = "bf16" if half else "float32"
    print(f"\n{device}, {kind}, batch {size}: {products / 1e9:,.0f} GFLOP at {flops / 1e9:,.0f} GFLOP/s,")
    print(f"{moved / 1e9:.1f} GB at {stream / 1e9:.1f} GB/s, so no less than {floor:.2f} s a step")
    base = statistics.median(cpu for _, cpu in times["as written"])
    for name, found in times.items():
        wall, cpu = (statistics.median(side) for side in zip(*found, strict=True))
        print(
            f"{name:15} {wall:8.2f} s, processor {cpu:8.2f} s a step, {size / cpu:8.1f} faces/s, "
            f"{base / cpu:5.2f} times as written, {floor / cpu:4.0%} of the floor's speed"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kernel", default="code")
    parser.add_argument(
        "--bf16", action="store_true", help="time it on a processor that does not compute in it"
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    loads = " ".join(f"{load:.1f}" for load in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    print(f"{torch.backends.cpu.get_cpu_capability()}, {given.threads} threads, load {loads}")
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        model, batch = make(given.kernel, given.width, device), batches(given.batch_size, device)
        agree(model, batch, device)
        for half in (False, True):
            if half and device == "cpu" and not (given.bf16 or computes_in_bf16(device)):
                print("\ncpu, bf16: this processor does not compute in it; --bf16 times it all the same")
                continue
            compare(model, batch, device, half=half, repeats=given.repeats)


if __name__ == "__main__":
    main()
