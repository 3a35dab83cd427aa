//! What a host sees before it plays anything.

use affekt_models::automation::{OUTPUTS, Output};
use affekt_tests::{
    bundle,
    host::{self, Format, HostError, Port, Ports},
};

use crate::common::{REST, instance, module, offline};

#[test]
fn both_bundles_hold_one_plugin_named_affekt() {
    for format in Format::ALL {
        let plugins = module(format).scan().unwrap();
        assert_eq!(plugins.len(), 1, "{format}");
        let plugin = &plugins[0];
        assert_eq!(
            (plugin.name.as_str(), plugin.version.as_str()),
            ("Affekt", env!("CARGO_PKG_VERSION")),
            "{format}"
        );
        assert!(!plugin.vendor.is_empty() && !plugin.id.is_empty(), "{format}");
        let effect = match format {
            Format::Clap => "audio-effect",
            Format::Vst3 => "Fx",
        };
        assert!(
            plugin.categories.iter().any(|category| category == effect),
            "{format}: {:?}",
            plugin.categories
        );
    }
}

#[test]
fn the_outputs_come_first_and_are_read_only() {
    for format in Format::ALL {
        let mut instance = instance(format);
        let parameters = instance.parameters().unwrap();
        let (outputs, settings) = parameters.split_at(OUTPUTS.len());
        for ((parameter, output), rest) in outputs.iter().zip(OUTPUTS).zip(REST) {
            let name = &parameter.name;
            assert_eq!(name, output.title(), "{format}");
            assert!(parameter.read_only, "{format}: {name} can be set");
            assert!(!parameter.automatable, "{format}: {name} can be automated");
            assert!(!parameter.hidden, "{format}: {name} is hidden");
            assert_eq!(
                (parameter.min, parameter.max, parameter.default),
                (0.0, 1.0, rest),
                "{format}: {name}"
            );
            assert_eq!(instance.value(parameter.id).unwrap(), rest, "{format}: {name}");
            let text = match output {
                Output::Arousal | Output::Valence => "-0.25",
                Output::Emotion(_) | Output::Confidence => "37.5 %",
            };
            assert_eq!(instance.text(parameter.id, 0.375).unwrap(), text, "{format}: {name}");
        }
        assert!(
            settings
                .iter()
                .all(|parameter| !parameter.read_only && !parameter.hidden),
            "{format}"
        );
        let mut ids: Vec<u32> = parameters.iter().map(|parameter| parameter.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), parameters.len(), "{format}");
    }
}

#[test]
fn everything_can_be_automated_but_wiring() {
    for format in Format::ALL {
        for parameter in instance(format).parameters().unwrap() {
            let name = parameter.name.as_str();
            let wiring = ["Align", "Learn this singer"].contains(&name)
                || name.ends_with("CC number")
                || name.ends_with("CC channel");
            assert_eq!(
                parameter.automatable,
                !wiring && !parameter.read_only,
                "{format}: {name}"
            );
        }
    }
}

#[test]
fn both_formats_name_the_parameters_alike() {
    let [clap, vst3] = Format::ALL.map(|format| instance(format).parameters().unwrap());
    for (clap, vst3) in clap.iter().zip(&vst3) {
        assert_eq!((clap.id, &clap.name), (vst3.id, &vst3.name));
    }
}

#[test]
fn stereo_comes_first_and_mono_can_be_had() {
    for format in Format::ALL {
        let mut instance = instance(format);
        assert_widths(instance.ports().unwrap(), 2, format);
        for channels in [1, 2, 1] {
            let processor = instance.activate(&offline(48_000.0, channels, 512)).unwrap();
            assert_widths(instance.ports().unwrap(), channels, format);
            instance.deactivate(processor).unwrap();
        }
    }
}

fn assert_widths(ports: Ports, channels: usize, format: Format) {
    let one = |ports: &[Port]| matches!(ports, [port] if port.main && port.channels == channels);
    assert!(
        one(&ports.inputs) && one(&ports.outputs),
        "{format}: {ports:?} for {channels} channels"
    );
}

#[test]
fn other_widths_are_refused_and_leave_the_plugin_usable() {
    for format in Format::ALL {
        let mut instance = instance(format);
        for channels in [3, 6] {
            let refused = instance.activate(&offline(48_000.0, channels, 512)).map(drop);
            assert!(
                matches!(refused, Err(HostError::Layout { .. })),
                "{format}: {refused:?}"
            );
        }
        let processor = instance.activate(&offline(48_000.0, 2, 512)).unwrap();
        instance.deactivate(processor).unwrap();
    }
}

#[test]
fn the_plugin_reports_no_latency() {
    for format in Format::ALL {
        let mut instance = instance(format);
        for rate_hz in [8_000.0, 44_100.0, 192_000.0] {
            let processor = instance.activate(&offline(rate_hz, 2, 512)).unwrap();
            assert_eq!(instance.latency(), 0, "{format} at {rate_hz} Hz");
            instance.deactivate(processor).unwrap();
        }
    }
}

#[test]
fn the_editor_has_a_size_that_fits_a_screen() {
    // CLAP wants the window made before it has a size, which takes a screen.
    let screen = !cfg!(target_os = "linux") || std::env::var_os("DISPLAY").is_some();
    for format in Format::ALL {
        let mut instance = instance(format);
        let size = instance.editor_size();
        if screen || format == Format::Vst3 {
            let (width, height) = size.unwrap();
            assert!(
                (200..=1600).contains(&width) && (100..=1000).contains(&height),
                "{format}: {width} × {height}"
            );
        } else {
            assert!(matches!(size, Err(HostError::Refused(_))), "{format}: {size:?}");
        }
        // With or without a window, the plugin works.
        let processor = instance.activate(&offline(48_000.0, 2, 512)).unwrap();
        instance.deactivate(processor).unwrap();
    }
}

#[test]
fn unknown_plugins_and_parameters_are_said_to_be_unknown() {
    for format in Format::ALL {
        let unknown = module(format).instantiate("no such plugin").map(drop);
        assert!(
            matches!(unknown, Err(HostError::NoPlugin { .. })),
            "{format}: {unknown:?}"
        );
        let unknown = instance(format).value(12_345);
        assert!(
            matches!(unknown, Err(HostError::NoParameter(_))),
            "{format}: {unknown:?}"
        );
    }
}

#[test]
fn what_is_no_module_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Affekt.clap");
    std::fs::write(&path, b"not a module").unwrap();
    for format in Format::ALL {
        let error = host::load(&path, format).map(drop).unwrap_err();
        assert!(error.to_string().contains("cannot be loaded"), "{error}");
    }
}

#[test]
fn one_file_serves_both_formats() {
    let [clap, vst3] = Format::ALL.map(|format| std::fs::read(bundle::module(format).unwrap()).unwrap());
    assert!(
        clap == vst3,
        "the bundles were not built together: run `cargo xtask bundle`"
    );
}
