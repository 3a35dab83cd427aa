#!/bin/sh
# Makes demo.flac, the vocal that demo and tests play: six spoken lines in six moods, as far as espeak-ng's
# pitch, speed and loudness can tell them, with a room and a noise floor so that it resembles a recording.
# Needs espeak-ng and sox. 16 kHz, mono, 16 bit.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# line NUMBER VOICE PITCH SPEED AMPLITUDE GAIN_DB TEXT
line() {
    espeak-ng -v "$2" -p "$3" -s "$4" -a "$5" -w "$work/raw.wav" "$7"
    sox -R -D "$work/raw.wav" -r 16000 -c 1 -b 16 "$work/$1.wav" \
        silence 1 0.02 0.2% reverse silence 1 0.02 0.2% reverse gain -n "$6" fade 0.01 pad 0.15 0.25
}

line 1 en-us+m3 45 165 100 -12 "The tape is rolling, and the room is quiet."
line 2 en-us+m7 70 215 180  -2 "No! I told you not to touch that fader!"
line 3 en-us+f3 85 190 120  -5 "Listen, they are all singing along!"
line 4 en-us+m1 15 110  60 -18 "And then everybody went home."
line 5 en-us+f2 95 230  80 -10 "Wait. Who is standing behind the door?"
line 6 en-us+m5 25 135 130  -8 "Ugh, that coffee is three days old."

sox -R -D "$work"/[1-6].wav "$work/dry.wav"
sox -R -D "$work/dry.wav" "$work/wet.wav" reverb 18 60 30 100 0 -4 gain -2
sox -R -D "$work/wet.wav" "$work/noise.wav" synth pinknoise gain -60
sox -R -D -m -v 1 "$work/wet.wav" -v 1 "$work/noise.wav" -C 8 -b 16 demo.flac
