"""Two streams, one of voices and one of faces, that any objective can train: a setting to compare them in."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.models.blockwise_pca import Block, BlockwisePca
from voiceface.models.model import Ability, Batch, Embeddings, Pictures, Scores, Shared, Turn, Wave
from voiceface.models.pretrained import PretrainedEncoders
from voiceface.models.projection_model import ProjectionModel

_BLOCK = 64


class Objective(nn.Module):
    """The loss on the streams' outputs, and how these are compared; it may have parameters of its own."""

    class_heads: tuple[str, ...] = ()
    """Its submodules whose shape depends on the training people."""
    joint = False
    """True where a pair is judged as one: then `scores` compares, and voices and faces share no space."""

    def forward(self, voices: Tensor, faces: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The ``loss`` of outputs ``(n, dim)``, row i of the same person on both sides.

        ``batch`` holds ``people (n,)``, the index of each row's person, ``progress (n,)``, the share of the
        training that is over, and for each covariate a class a row, -1 where it is not known.
        """
        raise NotImplementedError

    def space(self, outputs: Tensor, side: str) -> Tensor:
        """A side's outputs ``(n, dim)`` as they are compared, before they are brought to length 1."""
        return outputs

    def scores(self, voices: Tensor, faces: Tensor) -> Tensor:
        """How well every voice goes with every face, ``(voices, faces)``, of a `joint` objective."""
        raise NotImplementedError


class TwoStreams(ProjectionModel):
    """Embeddings of a voice encoder and of a face encoder, each through a perceptron of one hidden layer.

    Args:
        objective: the loss, and how outputs are compared.
        encoders: the pretrained encoders below.
        voice_width: width of the voice encoder's embeddings.
        blocks: the kinds of numbers in the face encoder's embeddings.
        dim: width of an output.
        hidden: hidden units.
        dropout: of the hidden units.
        noise: standard deviation of the noise added to embeddings in training, in units of their spread.
    """

    def __init__(
        self,
        objective: Objective,
        *,
        encoders: PretrainedEncoders | None = None,
        voice_width: int,
        blocks: Sequence[Block],
        dim: int = 64,
        hidden: int = 256,
        dropout: float = 0.5,
        noise: float = 1.0,
    ) -> None:
        super().__init__(encoders)
        self.objective, self.noise, self.dim = objective, noise, dim
        self.class_heads = tuple(f"objective.{name}" for name in objective.class_heads)
        self.reduction = BlockwisePca(blocks)
        for side, width in (("voice", voice_width), ("face", self.reduction.dim)):
            self.register_buffer(f"{side}_mean", torch.zeros(width))
            self.register_buffer(f"{side}_spread", torch.ones(()))
            layers = nn.Sequential(
                nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, dim)
            )
            setattr(self, f"{side}_stream", layers)

    @torch.no_grad()
    def start(self, voices: Tensor, faces: Tensor) -> None:
        """Fit means, spreads and the reduction of faces to the training people's embeddings."""
        self.reduction.fit(faces)
        for side, rows in (("voice", voices), ("face", self.reduction(faces))):
            mean = rows.mean(0)
            self.get_buffer(f"{side}_mean").copy_(mean)
            self.get_buffer(f"{side}_spread").copy_((rows - mean).square().mean().sqrt().clamp_min(1e-6))

    def turns(self) -> Sequence[Turn]:
        """One turn for the streams and what the objective learns."""
        return [Turn("streams", list(self.parameters()), self.error)]

    def error(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """The objective's loss of ``voices`` and ``faces`` (n, width) of the same ``people``."""
        voices, faces = self._output("voice", batch["voices"]), self._output("face", batch["faces"])
        found: dict[str, Tensor] = self.objective(voices.float(), faces.float(), batch)
        return found

    def voices(self, rows: Tensor) -> Tensor:
        """As `ProjectionModel.voices`."""
        return F.normalize(self.objective.space(self._output("voice", rows), "voice"), dim=-1)

    def faces(self, rows: Tensor) -> Tensor:
        """As `ProjectionModel.faces`."""
        return F.normalize(self.objective.space(self._output("face", rows), "face"), dim=-1)

    def can(self, ability: Ability) -> bool:
        """``score`` where the objective judges pairs, else ``embed``."""
        return ability == ("score" if self.objective.joint else "embed")

    @torch.no_grad()
    def score_embeddings(self, voices: Embeddings, faces: Embeddings) -> Scores:
        """Scores ``(voices, faces)`` of the encoders' embeddings by a joint objective."""
        right = self._output("face", self.to_device(faces))
        blocks = torch.split(self.to_device(voices), _BLOCK)
        found = [self.objective.scores(self._output("voice", some), right) for some in blocks]
        scores: Scores = torch.cat(found).float().cpu().numpy()
        return scores

    def score(self, waves: Sequence[Wave], faces: Pictures) -> Scores:
        """As `Model.score`."""
        voice, face = self.encoders.voice(self.device), self.encoders.face(self.device)
        return self.score_embeddings(voice.embed(waves), face.embed(faces))

    def _output(self, side: str, rows: Tensor) -> Tensor:
        if side == "face":
            rows = self.reduction(rows)
        scaled = (rows - self.get_buffer(f"{side}_mean")) / self.get_buffer(f"{side}_spread")
        if self.training and self.noise:
            scaled = scaled + self.noise * torch.randn_like(scaled)
        output: Tensor = getattr(self, f"{side}_stream")(scaled)
        return output
