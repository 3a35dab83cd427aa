"""Checks a VST3 bundle in pedalboard.   Usage: pedalboard_host.py Affekt.vst3"""

import sys

import numpy
import pedalboard

from common import (
    BLOCKS, EMOTIONS, RATE, READ_ONLY, STEP, TOLERANCE, check, ensure, ensure_heard, ensure_identical, ensure_same,
    ensure_settings, noise, other_value, summary, vocal,
)

BUNDLE = sys.argv[1]


def load(state=None):
    plugin = pedalboard.load_plugin(BUNDLE)
    if state is not None:
        plugin.raw_state = state
    return plugin


def values(plugin):
    """All parameters as the plugin has them. pedalboard shows what it knew first or has set itself, until a state is
    loaded: then it reads them again."""
    plugin.raw_state = plugin.raw_state
    return {parameter.name: parameter.raw_value for parameter in plugin.parameters.values()}


def settings(plugin):
    return {name: value for name, value in values(plugin).items() if name not in READ_ONLY}


def outputs(plugin):
    known = values(plugin)
    return [known[emotion] for emotion in EMOTIONS]


def changed():
    """An instance whose settings are all changed, and what they have been set to."""
    plugin = load()
    wanted = {}
    for parameter in plugin.parameters.values():
        if parameter.name not in READ_ONLY:
            wanted[parameter.name] = other_value(parameter.default_raw_value, parameter.num_steps)
            parameter.raw_value = wanted[parameter.name]
    # The plugin gets parameters with the sound.
    plugin(numpy.zeros((2, 4096), numpy.float32), RATE, buffer_size=512, reset=False)
    return plugin, wanted


def lists_parameters():
    plugin = load()
    ensure(plugin.is_effect, "the plugin is not taken for an effect")
    parameters = list(plugin.parameters.values())
    names = [parameter.name for parameter in parameters]
    missing = [emotion for emotion in EMOTIONS if emotion not in names]
    ensure(not missing, f"{', '.join(missing)}: not in the list of parameters")
    automatable = [p.name for p in parameters if p.name in READ_ONLY and p.is_automatable]
    ensure(not automatable, f"{', '.join(automatable)}: an output can be automated")
    return f"{plugin.name} {plugin.version}, settings: {summary(settings(plugin))}"


def null_test(sound, rate, state=None):
    """pedalboard takes the reported latency off the beginning and plays on at the end, so nothing may be shifted."""
    for block in BLOCKS:
        # The second pass goes through an instance that has been used.
        plugin = load(state)
        for turn in ("first", "second"):
            heard = plugin(sound, rate, buffer_size=block, reset=True)
            ensure_same(sound, heard, f"{turn} pass, blocks of {block}, latency {plugin.reported_latency_samples}")
    return f"latency {plugin.reported_latency_samples} samples"


def null_test_changed(channels):
    plugin, wanted = changed()
    detail = null_test(noise(channels), RATE, plugin.raw_state)
    return f"{detail}; {summary(wanted)}"


def hears():
    plugin = load()
    plugin(*vocal(2), buffer_size=512, reset=True)
    return ensure_heard(outputs(plugin)) + " (shown once the host reads the parameters again)"


def hears_alike():
    expected = None
    for block in (512, 64, 4096, 999):
        plugin = load()
        plugin(*vocal(1), buffer_size=block, reset=True)
        heard = outputs(plugin)
        expected = expected or heard
        ensure(heard == expected, f"blocks of {block}: {heard} instead of {expected}")
    ensure_heard(expected)
    return "blocks of 64 to 4096 give the same bits"


def default_round_trip():
    saved = load().raw_state
    ensure_identical(saved, load(saved).raw_state)
    return f"{len(saved)} bytes"


def sets():
    plugin, wanted = changed()
    ensure_settings(wanted, settings(plugin), STEP, "after setting")
    return summary(wanted)


def changed_round_trip():
    plugin, wanted = changed()
    before = settings(plugin)
    saved = plugin.raw_state
    ensure(not wanted or saved != load().raw_state, "the state with changed settings is the default one")
    restored = load(saved)
    ensure_settings(wanted, before, STEP, "before saving")
    ensure_settings(before, settings(restored), TOLERANCE, "after loading")
    ensure_identical(saved, restored.raw_state)
    return f"{len(saved)} bytes; {summary(wanted)}"


check("lists its parameters", lists_parameters)
check("null test, noise, stereo", lambda: null_test(noise(2), RATE))
check("null test, noise, mono", lambda: null_test(noise(1), RATE))
check("null test, vocal, stereo", lambda: null_test(*vocal(2)))
check("null test, vocal, mono", lambda: null_test(*vocal(1)))
check("hears the vocal", hears)
check("hears the same at any block size", hears_alike)
check("default state round trip", default_round_trip)
check("settings can be set", sets)
check("changed state round trip", changed_round_trip)
check("null test, changed settings, stereo", lambda: null_test_changed(2))
check("null test, changed settings, mono", lambda: null_test_changed(1))
