"""What the tests of the command line share: running it, made media, and a small matcher on disk."""

import contextlib
import functools
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

import source_trees
from voiceface.cli import main
from voiceface.errors import MissingPartError
from voiceface.models.encoder_loading import load_voice_encoder
from voiceface.models.encoders import ge2e
from voiceface.recipes import matcher as recipe
from voiceface.training.weights import write_weights


class Said:
    """What one command line gave: exit code, output, and the lines it said beside it."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err
        self.lines = err.splitlines()

    @property
    def json(self):
        return json.loads(self.out)

    def refused(self, *parts, code=1):
        """Assert one line of error that holds ``parts``, no traceback, nothing on the output."""
        assert self.code == code, (self.code, self.err)
        assert self.out == "", self.out
        assert len(self.lines) == 1, self.err
        assert self.lines[0].startswith("voiceface: "), self.err
        for part in parts:
            assert str(part) in self.err, (part, self.err)


def call(*tokens):
    """Run a command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(token) for token in tokens])
    return Said(code, out.getvalue(), err.getvalue())


def shell(*tokens, env=None, stdout=subprocess.PIPE, cwd=None):
    """Run it as a process of its own."""
    command = [sys.executable, "-m", "voiceface", *map(str, tokens)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **(env or {})}
    done = subprocess.run(
        command, stdout=stdout, stderr=subprocess.PIPE, env=environment, cwd=cwd, timeout=120
    )
    return Said(done.returncode, (done.stdout or b"").decode("utf-8", "replace"), done.stderr.decode())


def require_ge2e():
    """Skip where the published speaker encoder is not installed."""
    try:
        ge2e.weights_path()
    except MissingPartError as error:
        pytest.skip(str(error))


@functools.cache
def matcher_weights():
    """A weights folder of the recipe ``matcher`` on real encoders, its maps drawn at random."""
    require_ge2e()
    encoder = load_voice_encoder("ge2e")
    run = recipe.recipe(voice_encoder="ge2e", face_encoder="dlib", groups=False, dim=8, heads=2, hidden=16)
    facts = {"voice_width": encoder.dim, "voice_fingerprint": encoder.fingerprint}
    torch.manual_seed(5)
    model = run.build(facts)
    random = np.random.default_rng(5)
    rows = [torch.from_numpy(random.normal(size=(40, width)).astype(np.float32)) for width in (256, 128)]
    model.start(rows[0], rows[1], ridge=1.0)
    folder = Path(tempfile.mkdtemp(prefix="voiceface-test-")) / "made"
    facts["calibration"] = {"slope": 4.0, "offset": 0.0, "prior": 0.5}
    card = {"recipe": "matcher", "arguments": dict(run.arguments), "facts": facts, "people": {"count": 40}}
    return write_weights(folder, model.weights(), card)


def write_people_tree(root, people=6):
    """A data set of the source `pairs`: everybody with one voice and one face, all different."""
    lines = ["clip,person,gender"]
    for number in range(people):
        source_trees.real(root / "voices" / f"c{number}.wav", number)
        source_trees.real(root / "faces" / f"c{number}.jpg", number)
        lines.append(f"c{number},P{number},{'fm'[number % 2]}")
    source_trees.text(root / "pairs.csv", *lines)
    return root


def fits(text, width=80):
    """Whether no line is wider, but for one that a long name or command, never torn apart, makes so."""
    lines = [line for line in text.splitlines() if len(line) > width and not line.lstrip().startswith("$ ")]
    return all(max(map(len, line.split())) > width // 3 for line in lines)
