"""Writes what Ardour is given.   Usage: prepare_ardour.py Affekt.vst3 VOCAL.f32 PRESET_FOLDER

The vocal: two channels one after the other, raw little-endian float32, 48 kHz. And presets, made in pedalboard, because
Ardour shows and sets automatable parameters only: `Changed`, with all settings changed, and `Sending`, with nothing but
the outputs sent to the host.
"""

import pathlib
import sys

import numpy
import pedalboard

from common import RATE, READ_ONLY, other_value, vocal

# The setting without which the plugin may keep its outputs to itself.
SEND = "Send parameter changes"

bundle, sound_file, preset_folder = sys.argv[1:]


def write_vocal():
    sound, rate = vocal(2)
    times = RATE // rate
    assert times * rate == RATE, "the vocal's rate does not divide the session's"
    # Resampling to a multiple of the rate: the same spectrum, with nothing above it.
    frames = sound.shape[1]
    spectrum = numpy.zeros((2, frames * times // 2 + 1), complex)
    spectrum[:, : frames // 2 + 1] = numpy.fft.rfft(sound)
    numpy.fft.irfft(spectrum * times, frames * times).astype("<f4").tofile(sound_file)


def write_preset(name, is_changed):
    plugin = pedalboard.load_plugin(bundle)
    for parameter in plugin.parameters.values():
        if is_changed(parameter.name):
            parameter.raw_value = other_value(parameter.default_raw_value, parameter.num_steps)
    # The plugin gets parameters with the sound.
    plugin(numpy.zeros((2, 4096), numpy.float32), RATE, buffer_size=512, reset=False)
    folder = pathlib.Path(preset_folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.vstpreset").write_bytes(plugin.preset_data)


write_vocal()
write_preset("Changed", lambda name: name not in READ_ONLY)
write_preset("Sending", lambda name: name == SEND)
