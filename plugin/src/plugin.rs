//! The plugin as nice-plug sees it.

use std::sync::Arc;

use nice_plug::prelude::*;

use crate::align::{Align, Delay};
use crate::analysis::Analysis;
use crate::editor::AffektEditor;
use crate::outbox::Outbox;
use crate::params::{AffektParams, is_output};
use crate::playhead::Playhead;
use crate::readout::{Readout, ReadoutWriter, readout};
use crate::worker::Worker;
use crate::worker::engine::shipped_contract;
use crate::worker::link::Link;

/// One instance: passes the sound on untouched, listens to it and publishes what it hears.
pub struct Affekt {
    params: Arc<AffektParams>,
    shown: ReadoutWriter,
    readout: Arc<Readout>,
    link: Arc<Link>,
    analysis: Analysis,
    playhead: Playhead,
    outbox: Arc<Outbox>,
    rate_hz: f64,
    /// The delay of the alignment that is in force.
    delay: Delay,
    /// Whether the host was asked for a restart, for another alignment.
    restart_requested: bool,
    /// Held from the first activation on, so that there is one worker as long as there are instances.
    worker: Option<Arc<Worker>>,
}

impl Default for Affekt {
    fn default() -> Self {
        let params = Arc::<AffektParams>::default();
        let link = Arc::new(Link::new(params.singer.clone(), params.model.clone()));
        let (shown, readout) = readout();
        let outbox = Outbox::for_newborn();
        Self {
            params,
            shown,
            readout: Arc::new(readout),
            analysis: Analysis::new(link.clone()),
            link,
            playhead: Playhead::default(),
            outbox,
            rate_hz: 0.0,
            delay: Delay::default(),
            restart_requested: false,
            worker: None,
        }
    }
}

impl Affekt {
    /// Gets the analysis ready, or says in one sentence why that cannot be.
    fn start(&mut self, offline: bool) -> Result<(), String> {
        let contract = shipped_contract()?;
        let worker = match &self.worker {
            Some(worker) => worker.clone(),
            None => {
                let worker = Worker::of_process().map_err(|error| {
                    format!("The analysis cannot start ({error}): close other programs and reload.")
                })?;
                worker.adopt(&self.link);
                self.worker.insert(worker).clone()
            }
        };
        self.analysis
            .activate(
                worker,
                &contract.features,
                self.rate_hz,
                offline,
                self.params.settings(),
            )
            .map_err(|error| error.to_string())
    }

    fn publish(&mut self) {
        let reading = self.analysis.reading();
        self.params.outputs.publish(&reading.values);
        self.shown.show(reading);
    }

    /// Takes over the alignment that is wanted. In CLAP a latency changes between deactivation and activation only, so the
    /// host is asked for that. Hosts of VST3 ask for the new one when they hear of it, and many leave it at that.
    fn align(&mut self, context: &mut impl ProcessContext<Self>) {
        if !self.params.aligned.is_outdated() {
            self.restart_requested = false;
        } else if context.plugin_api() == PluginApi::Vst3 {
            context.set_latency_samples(self.apply_alignment());
        } else if !std::mem::replace(&mut self.restart_requested, true) {
            context.request_restart();
        }
    }

    /// Delays the sound as is wanted. Gives the latency in samples.
    fn apply_alignment(&mut self) -> u32 {
        self.delay.set(self.params.aligned.apply().samples(self.rate_hz));
        self.delay.samples() as u32
    }
}

impl Plugin for Affekt {
    const NAME: &'static str = "Affekt";
    const VENDOR: &'static str = "Affekt";
    const URL: &'static str = "";
    const EMAIL: &'static str = "";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    const AUDIO_IO_LAYOUTS: &'static [AudioIOLayout] = &[layout(2), layout(1)];
    const MIDI_OUTPUT: MidiConfig = MidiConfig::MidiCCs;

    type Editor = AffektEditor;
    type SysExMessage = ();
    type BackgroundTask = ();

    fn params(&self) -> Arc<dyn Params> {
        self.params.clone()
    }

    fn editor(&mut self, _: AsyncExecutor<Self>) -> Option<Self::Editor> {
        Some(AffektEditor::new(
            self.params.clone(),
            self.readout.clone(),
            self.link.clone(),
        ))
    }

    /// Outputs are heard, not loaded: what a state says of them is left out.
    fn filter_state(state: &mut PluginState) {
        state.params.retain(|name, _| !is_output(name));
    }

    fn activate(
        &mut self,
        layout: &AudioIOLayout,
        config: &BufferConfig,
        context: &mut impl ActivateContext<Self>,
    ) -> bool {
        self.rate_hz = f64::from(config.sample_rate);
        self.restart_requested = false;
        let channels = layout.main_output_channels.map_or(0, NonZeroU32::get) as usize;
        self.delay = Delay::new(channels, Align::LONGEST.samples(self.rate_hz));
        context.set_latency_samples(self.apply_alignment());
        let offline = config.process_mode == ProcessMode::Offline;
        let started = self.start(offline);
        if started.is_err() {
            self.analysis.deactivate();
        }
        self.link.set_complaint(started.err());
        self.publish();
        // Without an analysis the sound still passes.
        true
    }

    fn deactivate(&mut self) {
        self.analysis.deactivate();
    }

    fn reset(&mut self) {
        self.analysis.reset();
        self.playhead = Playhead::default();
        self.delay.clear();
        self.publish();
    }

    fn process(
        &mut self,
        buffer: &mut Buffer,
        _: &mut AuxiliaryBuffers,
        context: &mut impl ProcessContext<Self>,
    ) -> ProcessStatus {
        self.align(context);
        let samples = buffer.samples();
        let transport = context.transport();
        let position = transport.pos_samples();
        if self.playhead.moved(transport.playing, position, samples, self.rate_hz) {
            self.analysis.reset();
        }
        self.analysis.set(&self.params.settings(), transport.tempo);
        let outbox = &self.outbox;
        self.analysis.set_offline(outbox.is_offline());
        self.analysis.process(
            buffer.as_slice_immutable(),
            self.playhead.is_recording(),
            |offset, emission| {
                outbox.put(offset, emission);
            },
        );
        outbox.end_piece(samples);
        self.delay.process(buffer.as_slice());
        #[cfg(feature = "standalone")]
        if context.plugin_api() == PluginApi::Standalone {
            crate::standalone::finish(buffer, outbox, context);
        }
        self.publish();
        // The values fade and are smoothed for seconds after the sound has ended. A host that stopped calling meanwhile
        // would leave them where they were, and go on with a jump.
        ProcessStatus::KeepAlive
    }
}

impl ClapPlugin for Affekt {
    const CLAP_ID: &'static str = "audio.affekt.affekt";
    const CLAP_DESCRIPTION: Option<&'static str> =
        Some("Hears which of six emotions a voice carries, and hands it to other effects");
    const CLAP_MANUAL_URL: Option<&'static str> = None;
    const CLAP_SUPPORT_URL: Option<&'static str> = None;
    const CLAP_FEATURES: &'static [ClapFeature] = &[
        ClapFeature::AudioEffect,
        ClapFeature::Analyzer,
        ClapFeature::Utility,
        ClapFeature::Stereo,
        ClapFeature::Mono,
    ];
}

impl Vst3Plugin for Affekt {
    const VST3_CLASS_ID: [u8; 16] = *b"AffektVoiceMeter";
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory] = &[Vst3SubCategory::Fx, Vst3SubCategory::Analyzer];
}

/// As many channels out as in.
const fn layout(channels: u32) -> AudioIOLayout {
    AudioIOLayout {
        main_input_channels: NonZeroU32::new(channels),
        main_output_channels: NonZeroU32::new(channels),
        ..AudioIOLayout::const_default()
    }
}
