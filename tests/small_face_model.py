"""A small face model, and drawn faces to fit it to."""

import numpy as np
import torch

from voiceface.face.align import fit_similarity_transform, template_points
from voiceface.face.mesh import EYE_CORNERS_AND_NOSE
from voiceface.face.mesh_mirror import MIRRORED_POINTS
from voiceface.models import fit_hair_styles as styles
from voiceface.models.corpus_face_set import FaceSet
from voiceface.models.face_model import FaceModel, FaceModelShape
from voiceface.models.face_surroundings import hair_colours, label_surroundings
from voiceface.models.fit_face_model import canonical_frame, fit_bases, fit_frame
from voiceface.nn.face.face_model import SIZE
from voiceface.recipes._weights import open_weights

COUNT = 24


def mean_mesh():
    """The shipped network's mean mesh, at the portrait template's eyes and nose."""
    tensors, _ = open_weights("face-mesh", recipe="face_mesh")
    mean = next(value for name, value in tensors.items() if name.endswith("mean")).float().view(-1, 2).numpy()
    matrix = fit_similarity_transform(mean[list(EYE_CORNERS_AND_NOSE)], template_points("portrait", SIZE))
    return torch.from_numpy(mean @ matrix[:, :2].T + matrix[:, 2]).float()


def draw_faces(count, seed=0):
    """Meshes and pictures of discs on walls: skin inside the mesh, hair above it, clothes below."""
    random = np.random.default_rng(seed)
    mesh = mean_mesh()
    points = mesh + torch.from_numpy(random.normal(0, 1.0, (count, 1, 2))).float()
    points = points * torch.from_numpy(random.uniform(0.97, 1.03, (count, 1, 2))).float()
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    pictures, person = [], []
    for _ in range(count):
        skin, hair, shirt, wall = (random.uniform(low, low + 60, 3) for low in (120, 20, 60, 150))
        shade = 1 + 0.2 * (x / SIZE - 0.5)
        face = ((x - 128) / 75) ** 2 + ((y - 150) / 85) ** 2 < 1
        head = ((x - 128) / 92) ** 2 + ((y - 130) / 105) ** 2 < 1
        body = y > 232
        picture = np.where(head[..., None], hair, np.where(body[..., None], shirt, wall))
        picture = np.where(face[..., None], skin * shade[..., None], picture)
        for eye in (95, 161):
            picture[(x - eye) ** 2 + (y - 132) ** 2 < 60] = 30
        pictures.append(np.clip(picture + random.normal(0, 2, picture.shape), 0, 255).astype(np.uint8))
        person.append((head | body).reshape(64, 4, 64, 4).mean((1, 3)))
    return FaceSet(
        np.arange(count),
        torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2),
        points,
        torch.ones(count, 64, 64, dtype=torch.bool),
        torch.from_numpy(np.stack(person)).float(),
        torch.full((count,), torch.nan),
    )


def framed_model(faces):
    """A model with its canonical frame alone."""
    frame = canonical_frame(faces.points, torch.as_tensor(MIRRORED_POINTS))
    made = FaceModel(
        FaceModelShape(
            triangles=len(frame.triangles),
            pixels=int(frame.inside.sum()),
            small_pixels=int(frame.inside_small.sum()),
            styles=2,
            components={"shape": 4, "luminance": 6, "chroma": 3, "tone": 4, "hair": 3},
            outlines=3,
        )
    )
    template = torch.from_numpy(template_points("portrait", SIZE)).float()
    fit_frame(made, frame, five=torch.tensor(EYE_CORNERS_AND_NOSE), template=template)
    return made


def fitted_model(faces):
    """The model, then its measures of the faces, their surroundings, hair, use and styles."""
    model, count = framed_model(faces), len(faces.points)
    measures = model.measure(faces.pictures, faces.points)
    around = label_surroundings(model, faces, torch.arange(count))
    hair = hair_colours(around, count)
    clean = fit_bases(model, measures, hair, grey=torch.zeros(count, dtype=torch.bool))
    styles.fit_hair_reader(model, measures, hair)
    worn = styles.fit_hair_styles(model, around, measures, model.encode(measures), clusters=2, seed=0)
    style = torch.where(worn.sum(1) > 0, worn.argmax(1), -1)
    return model, measures, around, hair, clean, style
