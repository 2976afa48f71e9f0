"""dlib's own network of the recogniser, which ours in numpy and in PyTorch are compared with."""

import functools

from voiceface.face.dlib_models import dlib_module, model_file


@functools.cache
def dlib_recogniser():
    return dlib_module().face_recognition_model_v1(str(model_file("dlib_recogniser")))
