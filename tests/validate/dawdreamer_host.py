"""Checks a VST3 bundle in DawDreamer.   Usage: dawdreamer_host.py Affekt.vst3"""

import pathlib
import sys
import tempfile

import dawdreamer
import numpy

from common import (
    BLOCKS, EMOTIONS, RATE, READ_ONLY, STEP, TOLERANCE, check, ensure, ensure_heard, ensure_identical, ensure_same,
    ensure_settings, noise, other_value, summary, vocal,
)

BUNDLE = sys.argv[1]
FOLDER = tempfile.TemporaryDirectory()
STATE = str(pathlib.Path(FOLDER.name) / "state")


class Instance:
    """An engine with one plugin."""

    def __init__(self, channels=2, rate=RATE, block=512, state=None):
        self.rate = rate
        self.passes = 0
        self.engine = dawdreamer.RenderEngine(rate, block)
        self.plugin = self.engine.make_plugin_processor("affekt", BUNDLE)
        if state is not None:
            pathlib.Path(STATE).write_bytes(state)
            self.plugin.load_state(STATE)
        if channels != self.plugin.get_num_input_channels():
            ensure(self.plugin.can_set_bus(channels, channels), f"{channels} channels are refused")
            ensure(self.plugin.set_bus(channels, channels), f"{channels} channels cannot be set")
        inputs, outputs = self.plugin.get_num_input_channels(), self.plugin.get_num_output_channels()
        ensure((inputs, outputs) == (channels, channels), f"{inputs} inputs and {outputs} outputs instead of {channels}")

    def play(self, sound):
        """What comes out, as long as the sound and the reported latency."""
        self.passes += 1
        player = f"player {self.passes}"
        self.engine.load_graph([
            (self.engine.make_playback_processor(player, sound), []),
            (self.plugin, [player]),
        ])
        frames = sound.shape[1] + self.latency()
        # A block more, as the engine counts in seconds and might round down.
        self.engine.render((frames + 8192) / self.rate)
        heard = self.engine.get_audio()
        ensure(heard.shape[1] >= frames, f"{heard.shape[1]} frames came out instead of {frames}")
        return heard[:, :frames]

    def latency(self):
        return self.plugin.get_latency_samples()

    def state(self):
        self.plugin.save_state(STATE)
        return pathlib.Path(STATE).read_bytes()

    def descriptions(self):
        return self.plugin.get_parameters_description()

    def values(self):
        """All parameters as the plugin has them. DawDreamer shows what it knew first or has set itself, until a state is
        loaded: then it reads them again."""
        self.state()
        self.plugin.load_state(STATE)
        return {d["name"]: self.plugin.get_parameter(d["index"]) for d in self.descriptions()}

    def settings(self):
        return {name: value for name, value in self.values().items() if name not in READ_ONLY}

    def outputs(self):
        values = self.values()
        return [values[emotion] for emotion in EMOTIONS]


def changed():
    """An instance whose settings are all changed, and what they have been set to."""
    instance = Instance()
    wanted = {}
    for description in instance.descriptions():
        if description["name"] not in READ_ONLY:
            value = other_value(description["defaultValue"], description["numSteps"])
            wanted[description["name"]] = value
            instance.plugin.set_parameter(description["index"], value)
    # The plugin gets parameters with the sound.
    instance.play(numpy.zeros((2, 4096), numpy.float32))
    return instance, wanted


def lists_parameters():
    instance = Instance()
    descriptions = instance.descriptions()
    names = [description["name"] for description in descriptions]
    missing = [emotion for emotion in EMOTIONS if emotion not in names]
    ensure(not missing, f"{', '.join(missing)}: not in the list of parameters")
    automatable = [d["name"] for d in descriptions if d["name"] in READ_ONLY and d["isAutomatable"]]
    ensure(not automatable, f"{', '.join(automatable)}: an output can be automated")
    return f"{instance.plugin.get_name()}, settings: {summary(instance.settings())}"


def null_test(sound, rate, state=None):
    """DawDreamer does not take latency off: the sound must come after exactly as much silence as is reported."""
    for block in BLOCKS:
        # The second pass goes through an instance that has been used.
        instance = Instance(sound.shape[0], rate, block, state)
        for turn in ("first", "second"):
            heard = instance.play(sound)
            silence = numpy.zeros((sound.shape[0], instance.latency()), numpy.float32)
            expected = numpy.concatenate([silence, sound], axis=1)
            ensure_same(expected, heard, f"{turn} pass, blocks of {block}, latency {instance.latency()}")
    return f"latency {instance.latency()} samples"


def null_test_changed(channels):
    instance, wanted = changed()
    detail = null_test(noise(channels), RATE, instance.state())
    return f"{detail}; {summary(wanted)}"


def hears():
    sound, rate = vocal(2)
    instance = Instance(2, rate)
    instance.play(sound)
    return ensure_heard(instance.outputs()) + " (shown once the host reads the parameters again)"


def hears_alike():
    sound, rate = vocal(1)
    expected = None
    for block in (512, 64, 4096, 999):
        instance = Instance(1, rate, block)
        instance.play(sound)
        heard = instance.outputs()
        expected = expected or heard
        ensure(heard == expected, f"blocks of {block}: {heard} instead of {expected}")
    ensure_heard(expected)
    return "blocks of 64 to 4096 give the same bits"


def default_round_trip():
    saved = Instance().state()
    ensure_identical(saved, Instance(state=saved).state())
    return f"{len(saved)} bytes"


def sets():
    instance, wanted = changed()
    ensure_settings(wanted, instance.settings(), STEP, "after setting")
    return summary(wanted)


def changed_round_trip():
    instance, wanted = changed()
    before = instance.settings()
    saved = instance.state()
    ensure(not wanted or saved != Instance().state(), "the state with changed settings is the default one")
    restored = Instance(state=saved)
    ensure_settings(wanted, before, STEP, "before saving")
    ensure_settings(before, restored.settings(), TOLERANCE, "after loading")
    ensure_identical(saved, restored.state())
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
