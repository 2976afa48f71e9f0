"""Files that would have FFmpeg open other files, or read for ever."""

import io
import os
import time
from pathlib import Path

import av
import numpy as np
import pytest
import scipy.io.wavfile

from voiceface.errors import InputError
from voiceface.media import bounded_reader, container
from voiceface.media.movie import frames, movie_facts
from voiceface.media.sound import load_sound, sound_seconds

TONE = (8000 * np.sin(np.arange(32000) / 9)).astype(np.int16)


def transport_stream(path: Path) -> None:
    """What a playlist's segments are."""
    with av.open(str(path), "w", format="mpegts") as out:
        stream = out.add_stream("mp2", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(TONE[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def tricks(folder: Path) -> dict[str, bytes]:
    """Small text files in the place of a recording."""
    scipy.io.wavfile.write(folder / "secret.wav", 16000, TONE)
    transport_stream(folder / "secret.ts")
    head = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n"
    files = {
        "concat.wav": "ffconcat version 1.0\nfile secret.wav\n",
        "self.wav": "ffconcat version 1.0\nfile self.wav\n",
        "long.wav": "ffconcat version 1.0\n" + "file secret.wav\n" * 190_000,
        "whole.m3u8": head + "#EXTINF:2,\nsecret.ts\n#EXT-X-ENDLIST\n",
        "live.m3u8": head + "#EXTINF:2,\nsecret.ts\n",
        "self.m3u8": head + "#EXTINF:2,\nself.m3u8\n#EXT-X-ENDLIST\n",
        "net.m3u8": head + "#EXTINF:2,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        "dash.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet'
        '><Representation id="1"><BaseURL>secret.ts</BaseURL></Representation></AdaptationSet></Period>'
        "</MPD>",
        "subtitles.sub": "# VobSub index file, v7\n",
    }
    return {name: text.encode() for name, text in files.items()}


def test_no_file_has_another_one_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # FFmpeg looks for what a file object names in the current folder
    opened = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for name, data in tricks(tmp_path).items():
        Path(name).write_bytes(data)
        Path("as.mp3").write_bytes(data)
        for source in (name, "as.mp3", io.BytesIO(data)):
            for read in (load_sound, sound_seconds, movie_facts, lambda one: next(frames(one))):
                began = time.monotonic()
                with pytest.raises(InputError) as caught:
                    read(source)
                assert time.monotonic() - began < 5, (name, source)
                assert "\n" not in str(caught.value) and "; " in str(caught.value)
    if opened:
        assert len(os.listdir("/proc/self/fd")) <= opened


def test_a_list_of_files_is_told_from_a_damaged_recording(tmp_path):
    (tmp_path / "a.wav").write_bytes(tricks(tmp_path)["concat.wav"])
    with pytest.raises(InputError, match=r"a\.wav: is no sound file \(a picture, a playlist or a script\)"):
        load_sound(tmp_path / "a.wav")


def test_a_container_that_slips_through_still_opens_no_file(tmp_path, monkeypatch):
    """The second wall: whatever demuxer it is, FFmpeg gets nothing but the file that was given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(container, "_CONTAINERS", "concat,hls,wav,mpegts")
    said = []
    for name, data in tricks(tmp_path).items():
        (tmp_path / name).write_bytes(data)
        for source in (name, io.BytesIO(data)):
            if name != "long.wav":
                with pytest.raises(InputError) as caught:
                    load_sound(source)
                said.append(str(caught.value))
    assert any("whole.m3u8: names another file" in one and "secret.ts" in one for one in said)


def test_a_reader_that_gets_nowhere_is_given_up(tmp_path, monkeypatch):
    """A disk, pipe or decoder that never comes to an end."""
    monkeypatch.setattr(bounded_reader, "PATIENCE", 0.3)
    scipy.io.wavfile.write(tmp_path / "a.wav", 16000, TONE)

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            time.sleep(0.01)
            return super().read(min(size or 0, 16))

    slow = Slow((tmp_path / "a.wav").read_bytes())
    began = time.monotonic()
    with pytest.raises(InputError, match="gave nothing for 0.3 s"):
        load_sound(slow)
    assert time.monotonic() - began < 3
    assert len(load_sound(tmp_path / "a.wav")) == 32000


def test_a_header_that_leads_before_the_file_is_no_fault_of_the_disk():
    reader = bounded_reader.BoundedReader(io.BytesIO(b"abc"), "x")
    assert [reader.seek(2), reader.seek(-5), reader.seek(2**70), reader.tell()] == [2, -1, -1, 2]
