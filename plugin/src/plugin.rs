//! The plugin as nice-plug sees it.

use std::sync::Arc;

use nice_plug::prelude::*;

use crate::analysis::Analysis;
use crate::editor::AffektEditor;
use crate::params::{AffektParams, is_output};
use crate::readout::Readout;
use crate::worker::Worker;
use crate::worker::engine::shipped_contract;
use crate::worker::link::Link;

/// One instance: passes the sound on untouched, listens to it and publishes what it hears.
pub struct Affekt {
    params: Arc<AffektParams>,
    readout: Arc<Readout>,
    link: Arc<Link>,
    analysis: Analysis,
    /// Held from the first activation on, so that there is one worker as long as there are instances.
    worker: Option<Arc<Worker>>,
}

impl Default for Affekt {
    fn default() -> Self {
        let link = Arc::new(Link::new());
        Self {
            params: Arc::default(),
            readout: Arc::default(),
            analysis: Analysis::new(link.clone()),
            link,
            worker: None,
        }
    }
}

impl Affekt {
    /// Gets the analysis ready, or says in one sentence why that cannot be.
    fn start(&mut self, rate_hz: f64, offline: bool) -> Result<(), String> {
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
            .activate(worker, &contract.features, rate_hz, offline)
            .map_err(|error| error.to_string())
    }

    fn publish(&self, block: bool) {
        let reading = self.analysis.reading();
        self.params.outputs.publish(reading.values.probabilities);
        self.readout.show(&reading, block);
    }
}

impl Plugin for Affekt {
    const NAME: &'static str = "Affekt";
    const VENDOR: &'static str = "Affekt";
    const URL: &'static str = "";
    const EMAIL: &'static str = "";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    const AUDIO_IO_LAYOUTS: &'static [AudioIOLayout] = &[layout(2), layout(1)];

    type Editor = AffektEditor;
    type SysExMessage = ();
    type BackgroundTask = ();

    fn params(&self) -> Arc<dyn Params> {
        self.params.clone()
    }

    fn editor(&mut self, _: AsyncExecutor<Self>) -> Option<Self::Editor> {
        Some(AffektEditor::new(
            self.params.editor_size.clone(),
            self.readout.clone(),
            self.link.clone(),
        ))
    }

    /// Outputs are heard, not loaded: what a state says of them is left out.
    fn filter_state(state: &mut PluginState) {
        state.params.retain(|name, _| !is_output(name));
    }

    fn activate(&mut self, _: &AudioIOLayout, config: &BufferConfig, context: &mut impl ActivateContext<Self>) -> bool {
        context.set_latency_samples(0);
        let offline = config.process_mode == ProcessMode::Offline;
        let started = self.start(f64::from(config.sample_rate), offline);
        if started.is_err() {
            self.analysis.deactivate();
        }
        self.link.set_complaint(started.err());
        self.publish(false);
        // Without an analysis the sound still passes.
        true
    }

    fn deactivate(&mut self) {
        self.analysis.deactivate();
    }

    fn reset(&mut self) {
        self.analysis.reset();
        self.publish(false);
    }

    fn process(
        &mut self,
        buffer: &mut Buffer,
        _: &mut AuxiliaryBuffers,
        _: &mut impl ProcessContext<Self>,
    ) -> ProcessStatus {
        self.analysis.process(buffer.as_slice_immutable());
        self.publish(true);
        ProcessStatus::Tail(self.analysis.tail_samples())
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
