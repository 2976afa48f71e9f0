"""The points of the face mesh in a picture of a face."""

from __future__ import annotations

import torch

from voiceface.models.face_mesh import FaceMeshModel
from voiceface.models.model import Model
from voiceface.pipelines.onnx_graph import Graph
from voiceface.pipelines.weights import Loaded

ABOUT = """\
A crop is a face upright in the template `head` (`voiceface.face.mesh.crop_for_mesh`), grey, from -1 to 1.
Points are in sides of the crop, x before y, in MediaPipe's order. voiceface refuses a mesh whose `face_logit`
is below 2.2 (a probability of 0.9) or whose `log_error` is above -2.3 (a tenth of the distance between the
eyes), and looks a second time at a crop that is placed by the first mesh."""
EXAMPLE = """\
with av.open("face.png") as file:  # 96 by 96 pixels
    grey = next(file.decode(video=0)).to_ndarray(format="gray")
points, face_logit, log_error, _ = run("mesh", crops=(grey / 127.5 - 1).astype(np.float32)[None, None])
print("upright face:", 1 / (1 + np.exp(-face_logit[0])), "tip of the nose:", points[0, 1])
"""


def accepts(model: Model) -> bool:
    """Whether these are a face mesh's weights."""
    return isinstance(model, FaceMeshModel)


def graphs(loaded: Loaded) -> list[Graph]:
    """``mesh``."""
    assert isinstance(loaded.model, FaceMeshModel)
    network = loaded.model.network
    points, components, side = len(network.get_buffer("mean")) // 2, *_sizes(loaded.model)
    return [
        Graph(
            name="mesh",
            network=network,
            inputs={"crops": (("batch", 1, side, side), "grey crops, -1 to 1")},
            outputs={
                "points": f"(batch, {points}, 2) in sides of the crop",
                "face_logit": "(batch,) log odds that an upright face is shown",
                "log_error": "(batch,) logarithm of the expected error, in distances between the eyes",
                "coefficients": f"(batch, {components}) of the shape, in standard deviations",
            },
            example=lambda number: (_example_crops(number, side),),
        )
    ]


def about(loaded: Loaded) -> str:
    """What else its README says."""
    return ABOUT


def _sizes(model: FaceMeshModel) -> tuple[int, int]:
    return len(model.network.get_buffer("scale")), model.network.size


def _example_crops(number: int, side: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(number)
    return 2 * torch.rand(number + 2, 1, side, side, generator=random) - 1
