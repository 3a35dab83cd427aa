"""Writes the demo vocal for Ardour: two channels one after the other, raw little-endian float32, 48 kHz.

Usage: sounds.py VOCAL.f32
"""

import sys

import numpy

from common import RATE, vocal

sound, rate = vocal(2)
times = RATE // rate
assert times * rate == RATE, "the vocal's rate does not divide the session's"
# Resampling to a multiple of the rate: the same spectrum, with nothing above it.
frames = sound.shape[1]
spectrum = numpy.zeros((2, frames * times // 2 + 1), complex)
spectrum[:, : frames // 2 + 1] = numpy.fft.rfft(sound)
numpy.fft.irfft(spectrum * times, frames * times).astype("<f4").tofile(sys.argv[1])
