"""What the checks in pedalboard and DawDreamer share: sounds, settings, and how results are reported.

A check is reported as one line `check<TAB>NAME<TAB>pass|fail<TAB>DETAIL`; `cargo xtask validate` knows the names that
each host must report, so that a check that is never reached counts as failed.
"""

import pathlib
import traceback

import numpy
import soundfile

RATE = 48_000
VOCAL = pathlib.Path(__file__).parent.parent / "vocal" / "demo.flac"

EMOTIONS = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad")
# JUCE does not tell its users that a parameter is read-only: whatever is not in this list must be settable.
READ_ONLY = EMOTIONS + ("Arousal", "Valence", "Confidence")

BLOCKS = (512, 37)
# Parameters travel as float32 through hosts and as decimal text through the plugin's state.
TOLERANCE = 1e-5
# A plugin may round what it is given to its own steps.
STEP = 0.02


class Failure(Exception):
    """A check that has not passed; the text says why."""


def ensure(condition, message):
    if not condition:
        raise Failure(message)


def check(name, body):
    """Runs one check. `body` returns what is worth telling, or raises."""
    try:
        result, detail = "pass", body() or ""
    except Failure as failure:
        result, detail = "fail", str(failure)
    except Exception as error:  # whatever a host raises is a failed check, and the next one may still tell something
        traceback.print_exc()
        result, detail = "fail", f"{type(error).__name__}: {error}"
    detail = " ".join(detail.split())
    print(f"check\t{name}\t{result}\t{detail}", flush=True)


def noise(channels, seconds=2.0, rate=RATE):
    """Noise whose channels differ, up to full scale, with digital silence and tiny values in between."""
    samples = numpy.random.default_rng(channels).uniform(-1, 1, (channels, int(seconds * rate))).astype(numpy.float32)
    quarter = samples.shape[1] // 4
    samples[:, quarter : quarter + 1000] = 0
    samples[:, 2 * quarter :] *= numpy.float32(1e-6)
    return samples


def vocal(channels):
    """The demo vocal at its own rate, and the rate. A second channel is softer and inverted."""
    mono, rate = soundfile.read(VOCAL, dtype="float32")
    return numpy.stack([mono * (1.0, -0.5)[channel] for channel in range(channels)]).astype(numpy.float32), rate


def ensure_same(expected, heard, what):
    """Compares bits, so that neither a sign of zero nor a denormal gets lost."""
    ensure(heard.shape == expected.shape, f"{what}: {heard.shape} came out instead of {expected.shape}")
    different = expected.view(numpy.uint32) != numpy.ascontiguousarray(heard, numpy.float32).view(numpy.uint32)
    if different.any():
        channel, frame = numpy.argwhere(different)[0]
        raise Failure(
            f"{what}: {int(different.sum())} of {different.size} samples differ, the first in channel {channel}, "
            f"frame {frame}: {heard[channel, frame]!r} instead of {expected[channel, frame]!r}"
        )


def ensure_heard(values):
    """`values`: what the six outputs say after the vocal."""
    said = ", ".join(f"{emotion} {value:.3f}" for emotion, value in zip(EMOTIONS, values))
    ensure(any(values), "all six outputs are zero after the vocal")
    ensure(all(value > 0 for value in values), f"an output is not above zero after the vocal: {said}")
    # Each follows with a speed of its own, so that they need not sum to exactly 1 on their way.
    ensure(abs(sum(values) - 1) < 0.1, f"the six outputs sum to {sum(values):.4f} instead of 1: {said}")
    return said


def other_value(default, steps):
    """A normalised value far from the default one, and one that a parameter of so many steps can take."""
    if steps < 1000:
        return 1.0 if default < 0.5 else 0.0
    return 0.7 if default < 0.5 else 0.3


def ensure_settings(expected, found, tolerance, what):
    wrong = [
        f"{name} is {found.get(name)} instead of {value:.6f}"
        for name, value in expected.items()
        if name not in found or abs(found[name] - value) > tolerance
    ]
    ensure(not wrong, f"{what}: " + ", ".join(wrong))


def ensure_identical(first, second):
    if first == second:
        return
    place = next((i for i, pair in enumerate(zip(first, second)) if pair[0] != pair[1]), min(len(first), len(second)))
    raise Failure(
        f"the state differs from byte {place} on: {first[place : place + 60]!r} ({len(first)} bytes) became "
        f"{second[place : place + 60]!r} ({len(second)} bytes)"
    )


def summary(settings):
    """How the settings are spoken of in details."""
    return f"{len(settings)} settings" if settings else "the plugin has no settings"
