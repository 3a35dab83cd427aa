"""Makes the golden values beside it: synthetic signals and what librosa makes of them.

    pip install -r requirements.txt
    python make_golden.py

Writes, for each signal NAME, little-endian and without headers:
    NAME.i16        samples at 16 kHz
    NAME.mel.f32    [frames, 64] mel power in dB
    NAME.mfcc.f32   [frames, 64] MFCC
and golden.json, which lists them. Every random number comes from a seeded generator: the files come out the same again.
"""

import json
from pathlib import Path

import librosa
import numpy as np
from scipy.signal import lfilter

RATE = 16_000
MEL = dict(
    sr=RATE, n_fft=512, hop_length=160, win_length=400, window="hann", center=False, power=2.0,
    n_mels=64, fmin=20.0, fmax=8000.0, htk=False, norm="slaney",
)


def glottal(f0):
    """Rosenberg's glottal flow, differentiated: one pulse per period of the frequency track `f0` in Hz."""
    phase = np.cumsum(f0 / RATE) % 1.0
    rising = 0.5 * (1.0 - np.cos(np.pi * phase / 0.4))
    falling = np.cos(np.pi * (phase - 0.4) / 0.32)
    flow = np.where(phase < 0.4, rising, np.where(phase < 0.56, falling, 0.0))
    return np.diff(flow, prepend=0.0)


def vowel(source, formants):
    """Resonators in cascade, each a centre frequency and a bandwidth in Hz."""
    for hz, width in formants:
        radius = np.exp(-np.pi * width / RATE)
        a = [1.0, -2.0 * radius * np.cos(2.0 * np.pi * hz / RATE), radius**2]
        source = lfilter([sum(a)], a, source)
    return source


def fade(signal, seconds=0.02):
    edge = int(seconds * RATE)
    signal = signal.copy()
    signal[:edge] *= np.linspace(0.0, 1.0, edge)
    signal[-edge:] *= np.linspace(1.0, 0.0, edge)
    return signal


def normal(signal, peak):
    return signal * (peak / np.max(np.abs(signal)))


def speech(rng):
    """A low voice: a vowel, a fricative, a pause, another vowel that falls, breath noise under everything."""
    t = np.arange(int(0.35 * RATE)) / RATE
    a = vowel(glottal(118.0 + 12.0 * np.sin(2 * np.pi * 3.1 * t)), [(730, 80), (1090, 90), (2440, 120), (3400, 180)])
    i = vowel(glottal(135.0 - 90.0 * t), [(270, 60), (2290, 100), (3010, 140), (3600, 200)])
    s = np.diff(rng.standard_normal(int(0.12 * RATE)), prepend=0.0)
    pause = np.zeros(int(0.1 * RATE))
    signal = np.concatenate([fade(normal(a, 0.5)), fade(normal(s, 0.08)), pause, fade(normal(i, 0.35))])
    return signal + 2e-4 * rng.standard_normal(signal.size)


def sung(rng):
    """A high sung note with vibrato that swells to nearly full scale; no noise but the rounding."""
    t = np.arange(int(0.6 * RATE)) / RATE
    f0 = 523.25 * 2.0 ** (0.5 / 12.0 * np.sin(2 * np.pi * 5.6 * t))
    note = vowel(glottal(f0), [(850, 110), (1220, 110), (2810, 150), (3900, 200)])
    return fade(normal(note, 0.95) * np.sin(np.pi * t / t[-1]) ** 2)


def chirp(rng):
    """One sine over the whole range at full scale: the deepest contrast between bands."""
    t = np.arange(int(0.5 * RATE)) / RATE
    sweep = 40.0 * t + (7900.0 - 40.0) * t**2 / (2.0 * t[-1])
    return 0.999 * np.sin(2 * np.pi * sweep)


def edges(rng):
    """Silence, one step of a 16-bit converter as noise, a click, an offset, a clipped square wave."""
    part = int(0.1 * RATE)
    click = np.zeros(part)
    click[part // 2] = 1.0
    square = np.where(np.arange(part) % 40 < 20, 1.0, -1.0)
    noise = rng.integers(-1, 2, part) / 32768.0
    return np.concatenate([np.zeros(part), noise, click, np.full(part, 0.25), square])


def main():
    folder = Path(__file__).parent
    entries = []
    for number, make in enumerate([speech, sung, chirp, edges]):
        signal = make(np.random.default_rng(number))
        samples = np.clip(np.round(signal * 32768.0), -32768, 32767).astype("<i2")
        # In double precision, so that the values are librosa's method and not its rounding.
        mel = librosa.feature.melspectrogram(y=samples / 32768.0, **MEL)
        mel_db = librosa.power_to_db(mel, ref=1.0, amin=1e-10, top_db=None)
        mfcc = librosa.feature.mfcc(S=mel_db, n_mfcc=64, dct_type=2, norm="ortho")
        samples.tofile(folder / f"{make.__name__}.i16")
        mel_db.T.astype("<f4").tofile(folder / f"{make.__name__}.mel.f32")
        mfcc.T.astype("<f4").tofile(folder / f"{make.__name__}.mfcc.f32")
        entries.append({"name": make.__name__, "samples": int(samples.size), "frames": int(mel.shape[1])})
    golden = {"librosa": librosa.__version__, "signals": entries}
    (folder / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
