"""From one rate to another with FFmpeg's swresample, piece by piece, with an exact length."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np

from voiceface.media.samples import Pieces, Wave

_GATHERED_SECONDS = 1.0


def resample(pieces: Pieces, rate: int) -> Iterator[Wave]:
    """Pieces of whatever rates as one wave of ``rate``; best fed a second at a time (see `join_pieces`)."""
    converter: _Converter | None = None
    for piece, piece_rate in pieces:
        if converter is None or converter.source_rate != piece_rate:
            if converter is not None:
                yield converter.end()
            converter = _Converter(piece_rate, rate)
        yield converter(piece)
    if converter is not None:
        yield converter.end()


def join_pieces(pieces: Pieces) -> Pieces:
    """The small frames of a codec joined to about a second, which costs a tenth to resample."""
    waiting, held, rate = list[Wave](), 0, 0
    for piece, piece_rate in pieces:
        if waiting and piece_rate != rate:
            yield np.concatenate(waiting), rate
            waiting, held = [], 0
        waiting.append(piece)
        held, rate = held + len(piece), piece_rate
        if held >= _GATHERED_SECONDS * rate:
            yield piece if len(waiting) == 1 else np.concatenate(waiting), rate
            waiting, held = [], 0
    if waiting:
        yield np.concatenate(waiting), rate


class _Converter:
    """swresample from one rate to another, its length made exact."""

    def __init__(self, source_rate: int, rate: int) -> None:
        self.source_rate, self.rate = source_rate, rate
        self.taken = self.given = 0
        self.resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)

    def __call__(self, piece: Wave) -> Wave:
        if self.source_rate == self.rate:
            return piece
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece)[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts = self.source_rate, self.taken
        frame.time_base = Fraction(1, self.source_rate)
        self.taken += len(piece)
        return self._out(frame)

    def end(self) -> Wave:
        """What the filter still holds, so that as much has come out as went in."""
        if self.source_rate == self.rate:
            return np.zeros(0, np.float32)
        missing = max(1, round(self.taken * self.rate / self.source_rate)) - self.given
        rest = self._out(None)[: max(0, missing)]
        return np.pad(rest, (0, max(0, missing) - len(rest)))

    def _out(self, frame: av.AudioFrame | None) -> Wave:
        parts = [out.to_ndarray()[0].astype(np.float32, copy=False) for out in self.resampler.resample(frame)]
        self.given += sum(map(len, parts))
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)
