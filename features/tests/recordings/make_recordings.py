"""Makes the recordings beside it: a quarter of a second of two sines in the formats that need an encoder.

    pip install soundfile==0.14.0 numpy==2.4.6
    python make_recordings.py

Left: 440 Hz at half scale; right: 1000 Hz at a quarter; 22 050 Hz sample rate.
"""

from pathlib import Path

import numpy as np
import soundfile

RATE = 22_050
t = np.arange(RATE // 4) / RATE
stereo = np.stack([0.5 * np.sin(2 * np.pi * 440 * t), 0.25 * np.sin(2 * np.pi * 1000 * t)], axis=1)
folder = Path(__file__).parent
integers = np.round(stereo * 32767).astype(np.int16)
soundfile.write(folder / "sines.flac", integers, RATE, subtype="PCM_16")
soundfile.write(folder / "sines.aiff", integers, RATE, subtype="PCM_16")
soundfile.write(folder / "sines.ogg", stereo, RATE, format="OGG", subtype="VORBIS")
soundfile.write(folder / "sines.mp3", stereo, RATE, format="MP3")
