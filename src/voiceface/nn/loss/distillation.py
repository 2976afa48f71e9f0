"""Distillation across modalities: a speech network (student) learns a face network's (teacher's) output."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def distillation(student: Tensor, teacher: Tensor, *, printed: bool = False) -> Tensor:
    """Cross-entropy between the softmaxes of student and teacher, averaged over the batch.

    Source: Si et al. 2021, Speech2Video, equation (3). As printed, the student stands outside the logarithm
    and the teacher inside, which is minimised by a one-hot student at the teacher's largest number. The
    usual form has the teacher's softmax as the target, and is minimised where both are equal.

    Args:
        student: ``(n, dim)``.
        teacher: ``(n, dim)``.
        printed: use the printed form.

    >>> import torch
    >>> teacher = torch.tensor([[2.0, 0.0]])
    >>> certain = torch.tensor([[9.0, 0.0]])
    >>> bool(distillation(teacher, teacher) < distillation(certain, teacher))
    True
    >>> bool(distillation(teacher, teacher, printed=True) < distillation(certain, teacher, printed=True))
    False
    """
    outer, inner = (student, teacher) if printed else (teacher, student)
    return -(outer.softmax(1) * F.log_softmax(inner, 1)).sum(1).mean()


def normalised_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Squared distance of embeddings ``(n, dim)`` normalised to length 1, averaged over the batch.

    Source: Si et al. 2021, Speech2Video, the first and third term of equation (2).

    >>> import torch
    >>> normalised_distance(torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 2.0]])).item()
    2.0
    """
    difference = F.normalize(student, dim=1) - F.normalize(teacher, dim=1)
    return difference.square().sum(1).mean()
