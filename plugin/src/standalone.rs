//! Affekt as a program of its own, with a microphone in place of a host. nice-plug's standalone wrapper does the work;
//! here stands what a singer would otherwise have to know: which input there is, and that a microphone that is heard in
//! the loudspeakers howls.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use cpal::traits::{DeviceTrait, HostTrait};
use nice_plug::prelude::*;

use crate::outbox::{Message, Outbox};
use crate::plugin::Affekt;

/// Passes the sound on.
const MONITOR: &str = "--monitor";
/// nice-plug's option for the layout, and its number of the mono one.
const LAYOUT: &str = "--audio-layout";
const MONO: &str = "2";
/// nice-plug's name of the system's own audio.
const SYSTEM: &str = if cfg!(target_os = "windows") {
    "wasapi"
} else if cfg!(target_os = "macos") {
    "core-audio"
} else {
    "alsa"
};

/// Whether the sound is passed on.
static MONITORED: AtomicBool = AtomicBool::new(false);

/// Runs the program until its window is closed. `arguments`: those of the command line, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let mut arguments: Vec<String> = arguments.into_iter().collect();
    let given = arguments.len();
    arguments.retain(|argument| argument != MONITOR);
    MONITORED.store(arguments.len() < given, Ordering::Relaxed);
    if ["-h", "--help"]
        .iter()
        .any(|wish| arguments.iter().any(|argument| argument == wish))
    {
        println!(
            "Hears the emotions in a voice, by default from the system's own input. Beside the options below:\n  {MONITOR} \
             passes the sound on to the output; use headphones\n"
        );
    } else {
        match with_input(arguments, microphone) {
            Ok(complete) => arguments = complete,
            Err(sentence) => {
                eprintln!("{sentence}");
                return ExitCode::FAILURE;
            }
        }
    }
    if nice_export_standalone_with_args::<Affekt, _>(arguments) {
        ExitCode::SUCCESS
    } else {
        eprintln!(
            "The audio cannot be started; the line above says why. `--input-device \"\"` and `--output-device \"\"` list \
             what there is."
        );
        ExitCode::FAILURE
    }
}

/// The system's own input.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Microphone {
    name: String,
    /// Whether it has one channel and no more.
    mono: bool,
}

/// Asks the system for its own input.
fn microphone() -> Option<Microphone> {
    let host = cpal::default_host();
    let standard = host.default_input_device()?.id().ok();
    let mut devices: Vec<_> = host.input_devices().ok()?.collect();
    // nice-plug finds devices by their names in this list, in which the standard one may have another than by itself.
    let place = devices.iter().position(|device| device.id().ok() == standard);
    let device = match place {
        Some(place) => devices.swap_remove(place),
        None => devices.into_iter().next()?,
    };
    let name = device.description().ok()?.name().to_owned();
    let mut configs = device.supported_input_configs().ok()?;
    Some(Microphone {
        name,
        mono: !configs.any(|config| config.channels() == 2),
    })
}

/// The arguments with an input, unless they name one or do without. The error is one sentence for the user.
fn with_input(
    mut arguments: Vec<String>,
    microphone: impl FnOnce() -> Option<Microphone>,
) -> Result<Vec<String>, String> {
    let has = |names: &[&str]| {
        arguments.iter().any(|argument| {
            let name = argument.split('=').next().unwrap_or_default();
            names.contains(&name)
        })
    };
    if has(&["-b", "--backend"]) {
        return Ok(arguments);
    }
    if has(&["--input-device"]) {
        // Its names are the system's, not JACK's.
        arguments.extend(["--backend", SYSTEM].map(str::to_owned));
        return Ok(arguments);
    }
    let mono_wanted = !has(&["-l", LAYOUT]);
    let found = microphone().ok_or(
        "No audio input was found: connect a microphone and try again, or start JACK and add `--backend jack`.",
    )?;
    arguments.extend(["--backend", SYSTEM, "--input-device", &found.name].map(str::to_owned));
    if found.mono && mono_wanted {
        arguments.extend([LAYOUT, MONO].map(str::to_owned));
    }
    Ok(arguments)
}

/// Audio thread: does what a host's wrapper does elsewhere, hands messages over and, unless monitored, keeps the sound.
pub fn finish(buffer: &mut Buffer, outbox: &Outbox, context: &mut impl ProcessContext<Affekt>) {
    while let Some((timing, message)) = outbox.take() {
        // Parameters have nobody to go to.
        if let Message::Controller(_, controller) = message {
            let sent = context.try_send_event(NoteEvent::MidiCC {
                timing,
                channel: controller.channel,
                cc: controller.number,
                value: f32::from(controller.value) / 127.0,
            });
            if sent.is_err() {
                outbox.refuse(message);
            }
        }
    }
    outbox.begin();
    if !MONITORED.load(Ordering::Relaxed) {
        buffer.as_slice().iter_mut().for_each(|channel| channel.fill(0.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn found(mono: bool) -> Option<Microphone> {
        let name = "Mic".into();
        Some(Microphone { name, mono })
    }

    #[test]
    fn the_systems_input_is_taken_unless_another_is_named() {
        let complete = with_input(words("affekt --tempo 90"), || found(false)).unwrap();
        assert_eq!(
            complete,
            words(&format!("affekt --tempo 90 --backend {SYSTEM} --input-device Mic"))
        );
        let asked = || panic!("nobody needs to be asked");
        for named in ["affekt -b jack", "affekt --backend=dummy"] {
            assert_eq!(with_input(words(named), asked).unwrap(), words(named));
        }
        let named = with_input(words("affekt --input-device USB"), asked).unwrap();
        assert_eq!(named, words(&format!("affekt --input-device USB --backend {SYSTEM}")));
    }

    #[test]
    fn a_mono_microphone_takes_the_mono_layout() {
        let complete = with_input(words("affekt"), || found(true)).unwrap();
        assert!(complete.ends_with(&words("--audio-layout 2")));
        let layout = Affekt::AUDIO_IO_LAYOUTS[MONO.parse::<usize>().unwrap() - 1];
        assert_eq!(layout.main_input_channels, NonZeroU32::new(1));
        let named = with_input(words("affekt --audio-layout=1"), || found(true)).unwrap();
        assert!(named.ends_with(&words("Mic")));
    }

    #[test]
    fn without_an_input_a_sentence_says_what_to_do() {
        let error = with_input(words("affekt"), || None).unwrap_err();
        assert!(
            error.contains("connect a microphone") && error.ends_with('.'),
            "{error}"
        );
    }
}
