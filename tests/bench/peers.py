"""MFCCs as one would compute them without Affekt: kaldi-native-fbank, librosa, torchaudio.

Usage: peers.py SAMPLES_16K.f32 SAMPLES_48K.f32      (raw little-endian float32, mono, the same sound twice)

Prints the names of its contestants as a JSON list, then answers each name read from standard input with one JSON
line {"seconds", "frames"}: one pass over the whole sound, on one thread. The benchmark asks in turns, so that a
noisy machine disturbs everybody alike.
"""

import json
import sys
import time

import kaldi_native_fbank
import librosa
import numpy
import torch
import torchaudio

RATE, WINDOW, HOP, FFT, BANDS = 16_000, 400, 160, 512, 64
LOW_HZ, HIGH_HZ = 20.0, 8_000.0

torch.set_num_threads(1)
at_16k = numpy.fromfile(sys.argv[1], dtype=numpy.float32)
at_48k = numpy.fromfile(sys.argv[2], dtype=numpy.float32)


def librosa_mfcc(samples):
    return librosa.feature.mfcc(
        y=samples, sr=RATE, n_mfcc=BANDS, n_mels=BANDS, n_fft=FFT, win_length=WINDOW, hop_length=HOP,
        fmin=LOW_HZ, fmax=HIGH_HZ, center=False,
    ).shape[1]


def librosa_48k():
    return librosa_mfcc(librosa.resample(at_48k, orig_sr=48_000, target_sr=RATE))


torch_mfcc = torchaudio.transforms.MFCC(
    sample_rate=RATE, n_mfcc=BANDS,
    melkwargs=dict(
        n_fft=FFT, win_length=WINDOW, hop_length=HOP, n_mels=BANDS, f_min=LOW_HZ, f_max=HIGH_HZ, center=False,
        norm="slaney", mel_scale="slaney",
    ),
)
torch_resample = torchaudio.transforms.Resample(48_000, RATE)
torch_16k, torch_48k = torch.from_numpy(at_16k), torch.from_numpy(at_48k)

kaldi_options = kaldi_native_fbank.MfccOptions()
kaldi_options.frame_opts.samp_freq = RATE
kaldi_options.frame_opts.dither = 0
kaldi_options.mel_opts.num_bins = BANDS
kaldi_options.mel_opts.low_freq = LOW_HZ
kaldi_options.mel_opts.high_freq = HIGH_HZ
kaldi_options.num_ceps = BANDS


def kaldi_16k():
    online = kaldi_native_fbank.OnlineMfcc(kaldi_options)
    online.accept_waveform(RATE, at_16k)
    online.input_finished()
    return online.num_frames_ready


contestants = {
    "kaldi-native-fbank, 16 kHz": kaldi_16k,
    "librosa, 16 kHz": lambda: librosa_mfcc(at_16k),
    "torchaudio, 16 kHz": lambda: torch_mfcc(torch_16k).shape[-1],
    "librosa, 48 kHz": librosa_48k,
    "torchaudio, 48 kHz": lambda: torch_mfcc(torch_resample(torch_48k)).shape[-1],
}

with torch.inference_mode():
    for run in contestants.values():
        run()  # plans, caches and just-in-time compilation are not what is compared
    print(json.dumps(list(contestants)), flush=True)
    for line in sys.stdin:
        run = contestants[line.strip()]
        start = time.perf_counter()
        frames = run()
        print(json.dumps({"seconds": time.perf_counter() - start, "frames": int(frames)}), flush=True)
