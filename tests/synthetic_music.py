"""Music that nobody sings or speaks in: chords, arpeggios, drums with a bass, a lead with vibrato."""

import numpy as np

RATE = 16_000
MAJOR = np.array([0, 2, 4, 5, 7, 9, 11])
STYLES = ("chords", "arpeggio", "drums and bass", "lead", "band")


def _note(semitone, seconds, random, *, partials=8, attack=0.01, decay=1.0, vibrato=0.0):
    """One note of an instrument: partials that weaken upwards, struck and dying away."""
    time = np.arange(int(seconds * RATE)) / RATE
    hz = 440 * 2 ** ((semitone - 69) / 12)
    rate, start = random.uniform(5, 6.5), random.uniform(0, 2 * np.pi)
    bend = 1 + (2 ** (vibrato / 12) - 1) * np.sin(2 * np.pi * rate * time + start)
    phase = 2 * np.pi * np.cumsum(hz * bend) / RATE
    slope = random.uniform(0.8, 1.6)
    numbers = [k for k in range(1, partials + 1) if k * hz < 7000]
    wave = sum(np.sin(k * phase + random.uniform(0, 6.28)) / k**slope for k in numbers)
    shape = np.minimum(time / attack, 1) * np.exp(-time / decay) * np.minimum((seconds - time) / 0.02, 1)
    return wave * shape


def _put(track, wave, at, gain):
    first = int(at * RATE)
    wave = wave[: max(0, len(track) - first)]
    track[first : first + len(wave)] += gain * wave


def _drums(track, beat, random, gain):
    """A drum falling in pitch on every beat, a snare between them, hisses in eighths."""
    for place in np.arange(0, len(track) / RATE, beat / 2):
        time = np.arange(int(0.15 * RATE)) / RATE
        hiss = random.normal(size=len(time))
        _put(track, np.diff(hiss, prepend=0) * np.exp(-time / 0.02), place, 0.15 * gain)
        number = round(place / (beat / 2))
        if number % 2 == 0:
            _put(
                track,
                np.sin(2 * np.pi * (50 * time - 4 * np.exp(-time / 0.03))) * np.exp(-time / 0.08),
                place,
                gain,
            )
        if number % 4 == 2:
            _put(track, hiss * np.exp(-time / 0.06), place, 0.5 * gain)


def music(style, seed, seconds=6.0):
    """Seconds of one of `STYLES`, float32 at 16 kHz."""
    random = np.random.default_rng([STYLES.index(style), seed])
    track, beat = np.zeros(int(seconds * RATE)), random.uniform(0.4, 0.7)
    key, beats = random.integers(45, 57), np.arange(0, seconds, 1.0)
    beats = np.arange(0, seconds, beat)
    roots = random.choice([0, 3, 4, 5], len(beats) // 4 + 1)

    def chord(number):
        return [key + MAJOR[(roots[number // 4] + step) % 7] + 12 for step in (0, 2, 4)]

    for number, at in enumerate(beats):
        if style in {"chords", "lead", "band"} and number % 4 == 0:
            for tone in chord(number):
                _put(track, _note(tone, 4 * beat, random, decay=2.5, attack=0.03), at, 0.25)
        if style in {"arpeggio", "band"}:
            for half in (0, 1):
                tone = random.choice(chord(number)) + 12
                _put(track, _note(tone, 0.9 * beat, random, decay=0.35), at + half * beat / 2, 0.4)
        if style in {"drums and bass", "band", "arpeggio"}:
            tone = key - 12 + MAJOR[roots[number // 4] % 7]
            _put(track, _note(tone, 0.95 * beat, random, partials=12, decay=0.5), at, 0.5)
        if style == "lead":
            tone = key + 12 + MAJOR[random.integers(7)]
            length = beat * random.choice([0.95, 0.5])
            _put(track, _note(tone, length, random, partials=16, attack=0.06, decay=4, vibrato=0.5), at, 0.6)
    if style in {"drums and bass", "band"}:
        _drums(track, beat, random, 0.5)
    return (0.5 * track / np.abs(track).max()).astype(np.float32)
