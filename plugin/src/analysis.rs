//! The audio thread's part: samples become frames for the worker, results become values at their time.
//!
//! In real time it never waits: frames that find the queue full are dropped and counted. In an offline render it waits
//! after every piece until the worker has dealt with its frames, so that no result is late and a bounce is the same bit
//! for bit at any block size. Some hosts tell of a render at activation, some only while they render.

use std::sync::Arc;
use std::time::Duration;

use affekt_features::{Extractor, FeatureError, FeatureSpec};
use affekt_models::automation::{Emission, Settings, Values};

use crate::schedule::Schedule;
use crate::worker::Worker;
use crate::worker::link::Link;

/// Most channels that are analysed.
const MAX_CHANNELS: usize = 2;
/// Host samples that are analysed at once. Few enough that their frames (at most one per millisecond) and results
/// find room in the queues at 8 kHz.
const PIECE: usize = 2_048;
/// How long an offline render waits for a worker that makes no progress, loading the model included.
const OFFLINE_PATIENCE: Duration = Duration::from_secs(30);
/// How long an overload is shown, in seconds of sound.
const OVERLOAD_SHOWN_S: f64 = 3.0;

/// What the analysis says at the end of a block.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reading {
    /// The values at the last control tick.
    pub values: Values,
    /// Results that came too late since activation.
    pub late: u64,
    /// Frames that found no room, and windows that were left out or failed, since activation.
    pub dropped: u64,
    /// Whether something was late or dropped in the last seconds.
    pub overloaded: bool,
    /// Blocks of sound processed, ever. Stands still while the host does not play through the plugin.
    pub blocks: u64,
}

/// The analysis of one instance.
pub struct Analysis {
    link: Arc<Link>,
    /// Number of the last reset.
    epoch: u64,
    /// Frames sent, ever.
    sent: u64,
    blocks: u64,
    active: Option<Active>,
}

/// What exists between activation and deactivation.
struct Active {
    worker: Arc<Worker>,
    extractor: Extractor,
    schedule: Schedule,
    rate_hz: f64,
    /// Whether the host said at activation that it waits for results.
    activated_offline: bool,
    /// Whether the host waits for results.
    offline: bool,
    /// Whether the worker let an offline render down; then it is not waited for until the next reset.
    given_up: bool,
    dropped_frames: u64,
    /// The link's count at activation.
    lost_windows_before: u64,
    /// Late and dropped at the end of the last block.
    trouble: u64,
    /// Samples for which the overload is still shown.
    overload_left: u64,
}

impl Analysis {
    /// Does nothing until it is activated.
    pub fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            epoch: 0,
            sent: 0,
            blocks: 0,
            active: None,
        }
    }

    /// Gets ready for sound at `rate_hz`, which `worker` analyses as `spec` says. `offline`: the host waits for results.
    /// Starts with `settings`. Allocates.
    ///
    /// # Errors
    /// Those of [`Extractor::new`]; the sound is then not analysed.
    pub fn activate(
        &mut self,
        worker: Arc<Worker>,
        spec: &FeatureSpec,
        rate_hz: f64,
        offline: bool,
        settings: Settings,
    ) -> Result<(), FeatureError> {
        self.deactivate();
        let extractor = Extractor::new(spec, rate_hz)?;
        self.link.set_offline(offline);
        self.active = Some(Active {
            worker,
            extractor,
            schedule: Schedule::new(rate_hz, settings),
            rate_hz,
            activated_offline: offline,
            offline,
            given_up: false,
            dropped_frames: 0,
            lost_windows_before: self.link.lost_windows(),
            trouble: 0,
            overload_left: 0,
        });
        self.reset();
        Ok(())
    }

    /// Stops analysing. Frees memory.
    pub fn deactivate(&mut self) {
        self.active = None;
        self.reset();
    }

    /// Starts again at time 0, at rest: nothing that was heard before counts any more.
    pub fn reset(&mut self) {
        self.epoch += 1;
        self.link.set_epoch(self.epoch);
        if let Some(active) = &mut self.active {
            active.extractor.reset();
            active.schedule.reset(self.link.recorder());
            active.given_up = false;
            active.overload_left = 0;
        }
    }

    /// The user's choices and the host's tempo (in beats per minute), from here on.
    pub fn set(&mut self, settings: &Settings, tempo_bpm: Option<f64>) {
        if let Some(active) = &mut self.active {
            active.schedule.set(settings, self.link.recorder());
            if let Some(bpm) = tempo_bpm {
                active.schedule.set_tempo(bpm, self.link.recorder());
            }
        }
    }

    /// Whether the host says that it waits for the results of the blocks from here on. What it said at activation stays.
    pub fn set_offline(&mut self, offline: bool) {
        if let Some(active) = &mut self.active {
            active.offline = active.activated_offline || offline;
            self.link.set_offline(active.offline);
        }
    }

    /// Analyses one block, one slice per channel, all of the same length. `on_tick` gets every control tick's place in
    /// the block, in samples, and what goes out at it. `recorded`: whether the block belongs to the pass that is kept.
    pub fn process<C: AsRef<[f32]>>(
        &mut self,
        channels: &[C],
        recorded: bool,
        mut on_tick: impl FnMut(u64, &Emission),
    ) {
        self.blocks += 1;
        let Some(active) = &mut self.active else { return };
        let channels = &channels[..channels.len().min(MAX_CHANNELS)];
        let length = channels.iter().map(|channel| channel.as_ref().len()).min().unwrap_or(0);
        for start in (0..length).step_by(PIECE) {
            let end = length.min(start + PIECE);
            let mut piece: [&[f32]; MAX_CHANNELS] = [&[]; MAX_CHANNELS];
            for (part, channel) in piece.iter_mut().zip(channels) {
                *part = &channel.as_ref()[start..end];
            }
            let on_tick = |offset: u64, emission: &Emission| on_tick(start as u64 + offset, emission);
            active.hear(
                &self.link,
                self.epoch,
                &mut self.sent,
                &piece[..channels.len()],
                on_tick,
            );
        }
        if recorded {
            self.link.recorder().pass(active.schedule.ticks());
        }
        active.note_trouble(&self.link, length as u64);
    }

    /// What there is to show and publish.
    pub fn reading(&self) -> Reading {
        let Some(active) = &self.active else {
            return Reading {
                blocks: self.blocks,
                ..Reading::default()
            };
        };
        Reading {
            values: *active.schedule.values(),
            late: active.schedule.late(),
            dropped: active.dropped(&self.link),
            overloaded: active.overload_left > 0,
            blocks: self.blocks,
        }
    }
}

impl Active {
    fn hear(&mut self, link: &Link, epoch: u64, sent: &mut u64, piece: &[&[f32]], on_tick: impl FnMut(u64, &Emission)) {
        let before = *sent;
        let dropped_frames = &mut self.dropped_frames;
        self.extractor.push(piece, |frame| {
            if link.send(epoch, frame) {
                *sent += 1;
            } else {
                *dropped_frames += 1;
            }
        });
        if self.offline && !self.given_up && *sent > before {
            self.worker.wake();
            if !link.wait_until_consumed(*sent, OFFLINE_PATIENCE) {
                self.given_up = true;
                self.dropped_frames += sent.saturating_sub(link.consumed());
            }
        }
        while let Some(outcome) = link.receive() {
            if outcome.epoch == epoch {
                self.schedule.accept(outcome, link.recorder());
            }
        }
        let samples = piece.first().map_or(0, |channel| channel.len()) as u64;
        self.schedule.advance(samples, link.recorder(), on_tick);
    }

    fn note_trouble(&mut self, link: &Link, samples: u64) {
        let trouble = self.schedule.late() + self.dropped(link);
        if trouble > self.trouble {
            self.trouble = trouble;
            self.overload_left = (OVERLOAD_SHOWN_S * self.rate_hz) as u64;
        } else {
            self.overload_left = self.overload_left.saturating_sub(samples);
        }
    }

    fn dropped(&self, link: &Link) -> u64 {
        self.dropped_frames + (link.lost_windows() - self.lost_windows_before)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Instant;

    use affekt_models::automation::{CONTROL_TICK, Pass, RESULT_DELAY_S};
    use affekt_models::timeline::Timeline;
    use affekt_models::{Contract, Input, Model, SHIPPED_MODEL};

    use super::*;
    use crate::model_choice::ModelChoice;
    use crate::singer::SingerSlot;
    use crate::testing::{voice, waveform_model};
    use crate::worker::engine::tests::contract;
    use crate::worker::engine::{Engine, shipped_contract};
    use crate::worker::tests::fingerprint_engine;

    struct Run {
        /// The values at the end of every block that ends at a multiple of a hundredth of a second.
        values: Vec<Values>,
        reading: Reading,
    }

    fn hear<C: AsRef<[f32]>>(analysis: &mut Analysis, channels: &[C]) {
        analysis.process(channels, true, |_, _| ());
    }

    /// Plays mono `sound` in blocks, and checks that it ends with the `expected` emotions.
    fn ends_with(analysis: &mut Analysis, sound: &[f32], block: usize, expected: &Values) {
        sound.chunks(block).for_each(|block| hear(analysis, &[block]));
        let reading = analysis.reading();
        assert_eq!((reading.late, reading.dropped), (0, 0));
        for (value, expected) in reading.values.emotions.iter().zip(expected.emotions) {
            assert!((value - expected).abs() < 1e-3, "blocks of {block}: {reading:?}");
        }
    }

    /// Plays mono `sound` in blocks whose sizes come from `blocks`, over and over.
    fn play(analysis: &mut Analysis, sound: &[f32], rate_hz: f64, blocks: &[usize]) -> Run {
        let hundredth = (rate_hz / 100.0) as usize;
        let mut values = Vec::new();
        let mut position = 0;
        let mut sizes = blocks.iter().copied().cycle();
        while position < sound.len() {
            let size = sizes.next().unwrap().min(sound.len() - position);
            // Cut at the hundredths too, so that runs can be compared there.
            let size = size.min(hundredth - position % hundredth);
            hear(analysis, &[&sound[position..position + size]]);
            position += size;
            if position % hundredth == 0 {
                values.push(analysis.reading().values);
            }
        }
        Run {
            values,
            reading: analysis.reading(),
        }
    }

    fn analysis(worker: &Arc<Worker>, spec: &FeatureSpec, rate_hz: f64, offline: bool) -> Analysis {
        let link = Arc::new(Link::new(SingerSlot::default(), ModelChoice::default()));
        worker.adopt(&link);
        let mut analysis = Analysis::new(link);
        analysis
            .activate(worker.clone(), spec, rate_hz, offline, Settings::default())
            .unwrap();
        analysis
    }

    fn wait_for_model(analysis: &Analysis) {
        use crate::worker::link::ModelState;
        let start = Instant::now();
        while analysis.link.model() == ModelState::Loading && start.elapsed() < OFFLINE_PATIENCE {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// An analysis in real time, whose model takes `pause` per window and hears anger in each.
    fn in_real_time(rate_hz: f64, pause: Duration) -> Analysis {
        let slow = move || {
            Ok(Engine::new(contract(), "test".into(), move |_| {
                thread::sleep(pause);
                Ok([1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
            }))
        };
        let worker = Arc::new(Worker::start(slow).unwrap());
        let analysis = analysis(&worker, &contract().features, rate_hz, false);
        wait_for_model(&analysis);
        analysis
    }

    #[test]
    fn an_offline_render_is_the_same_at_any_block_size() {
        let worker = Arc::new(Worker::start(fingerprint_engine).unwrap());
        for rate_hz in [44_100.0, 48_000.0, 96_000.0] {
            let sound = voice(rate_hz, 4.0);
            let reference = play(
                &mut analysis(&worker, &contract().features, rate_hz, true),
                &sound,
                rate_hz,
                &[64],
            );
            assert_eq!((reference.reading.late, reference.reading.dropped), (0, 0));
            let different: Vec<_> = reference
                .values
                .windows(2)
                .filter(|pair| pair[0].emotions != pair[1].emotions)
                .collect();
            assert!(different.len() > 15, "only {} changes", different.len());
            for blocks in [vec![1], vec![17], vec![512], vec![441], vec![1, 300, 7, 64]] {
                let run = play(
                    &mut analysis(&worker, &contract().features, rate_hz, true),
                    &sound,
                    rate_hz,
                    &blocks,
                );
                assert_eq!(run.values, reference.values, "blocks of {blocks:?} at {rate_hz} Hz");
            }
            // Blocks longer than the delay, and than everything the queues hold.
            for block in [4_096, 8_192, sound.len()] {
                let mut analysis = analysis(&worker, &contract().features, rate_hz, true);
                sound.chunks(block).for_each(|block| hear(&mut analysis, &[block]));
                assert_eq!(
                    analysis.reading().values,
                    reference.reading.values,
                    "blocks of {block} at {rate_hz} Hz"
                );
            }
        }
    }

    #[test]
    fn an_offline_render_of_raw_audio_is_the_same_at_any_block_size() {
        let engine = || {
            let contract = Contract {
                input: Input::Waveform,
                ..contract()
            };
            Ok(Engine::new(contract, "test".into(), |samples| {
                let sum: f32 = samples
                    .iter()
                    .enumerate()
                    .map(|(n, x)| x * ((n % 13) as f32 + 1.0))
                    .sum();
                let part = sum.sin().abs();
                Ok([part, 1.0 - part, 0.0, 0.0, 0.0, 0.0])
            }))
        };
        let worker = Arc::new(Worker::start(engine).unwrap());
        let rate_hz = 44_100.0;
        let sound = voice(rate_hz, 3.0);
        let run = |block: usize| {
            play(
                &mut analysis(&worker, &contract().features, rate_hz, true),
                &sound,
                rate_hz,
                &[block],
            )
        };
        let reference = run(64);
        assert_eq!((reference.reading.late, reference.reading.dropped), (0, 0));
        let changes = reference
            .values
            .windows(2)
            .filter(|pair| pair[0].emotions != pair[1].emotions);
        assert!(changes.count() > 10);
        for block in [17, 441, 512] {
            assert_eq!(run(block).values, reference.values, "blocks of {block}");
        }
    }

    #[test]
    fn an_offline_render_may_be_told_of_while_active() {
        let rate_hz = 48_000.0;
        let sound = voice(rate_hz, 2.0);
        let worker = Arc::new(Worker::start(fingerprint_engine).unwrap());
        let spec = &contract().features;
        let expected = play(&mut analysis(&worker, spec, rate_hz, true), &sound, rate_hz, &[480]);
        let mut analysis = analysis(&worker, spec, rate_hz, false);
        wait_for_model(&analysis);
        hear(&mut analysis, &[&sound]);
        analysis.set_offline(true);
        assert!(analysis.link.is_offline());
        analysis.reset();
        let run = play(&mut analysis, &sound, rate_hz, &[480]);
        assert_eq!(run.values, expected.values);
        analysis.set_offline(false);
        assert!(!analysis.link.is_offline());
        // What was said at activation stays.
        analysis
            .activate(worker, spec, rate_hz, true, Settings::default())
            .unwrap();
        analysis.set_offline(false);
        assert!(analysis.link.is_offline());
    }

    #[test]
    fn nobody_waits_any_more_once_the_render_is_over() {
        let rate_hz = 48_000.0;
        let mut analysis = in_real_time(rate_hz, Duration::from_millis(100));
        let sound = voice(rate_hz, 1.0);
        let mut time = |offline: bool| {
            analysis.set_offline(offline);
            let start = Instant::now();
            sound.chunks(512).for_each(|block| hear(&mut analysis, &[block]));
            start.elapsed()
        };
        // Five windows and more.
        let patient = Duration::from_millis(500);
        assert!(time(true) >= patient);
        assert!(time(false) < patient);
    }

    #[test]
    fn a_paced_run_in_real_time_equals_the_offline_render() {
        let rate_hz = 48_000.0;
        let sound = voice(rate_hz, 2.0);
        let worker = Arc::new(Worker::start(fingerprint_engine).unwrap());
        let offline = play(
            &mut analysis(&worker, &contract().features, rate_hz, true),
            &sound,
            rate_hz,
            &[480],
        );
        // The machine may be busy, so a run with late results is tried again.
        for _ in 0..5 {
            let mut analysis = analysis(&worker, &contract().features, rate_hz, false);
            wait_for_model(&analysis);
            let start = Instant::now();
            let mut values = Vec::new();
            for (number, block) in sound.chunks(480).enumerate() {
                thread::sleep(Duration::from_millis(10 * number as u64).saturating_sub(start.elapsed()));
                hear(&mut analysis, &[block]);
                values.push(analysis.reading().values);
            }
            let reading = analysis.reading();
            if reading.late + reading.dropped == 0 {
                assert_eq!(values, offline.values);
                return;
            }
        }
        panic!("the machine is too busy for a run without late results");
    }

    #[test]
    fn results_take_effect_after_the_delay() {
        let rate_hz = 48_000.0;
        let sound = voice(rate_hz, 1.0);
        let worker = Arc::new(Worker::start(fingerprint_engine).unwrap());
        let mut analysis = analysis(&worker, &contract().features, rate_hz, true);
        let mut first_change = None;
        for (block, samples) in sound.chunks(CONTROL_TICK as usize).enumerate() {
            hear(&mut analysis, &[samples]);
            if first_change.is_none() && analysis.reading().values != Values::default() {
                first_change = Some(block as u64 * CONTROL_TICK);
            }
        }
        // The first window is of 50 frames: 49 hops of 10 ms and a frame of 32 ms.
        let end = (0.49 + 512.0 / 16_000.0) * rate_hz;
        let due = (end + RESULT_DELAY_S * rate_hz).ceil() as u64;
        assert_eq!(first_change, Some(due.next_multiple_of(CONTROL_TICK)));
    }

    #[test]
    fn a_slow_worker_makes_results_late_but_never_holds_up_real_time() {
        let rate_hz = 48_000.0;
        let mut analysis = in_real_time(rate_hz, Duration::from_millis(300));
        let sound = voice(rate_hz, 1.0);
        // Ten seconds of sound in no time: more frames than the queue holds.
        let start = Instant::now();
        let mut overloaded = false;
        for _ in 0..10 {
            for block in sound.chunks(512) {
                hear(&mut analysis, &[block]);
                overloaded |= analysis.reading().overloaded;
            }
        }
        assert!(start.elapsed() < Duration::from_secs(5));
        assert!(analysis.reading().dropped > 0);
        assert!(overloaded);
        // At the sound's own pace the model runs, and what it says comes late.
        let start = Instant::now();
        for block in sound.chunks(512).cycle() {
            if analysis.reading().values.emotions[0] > 0.0 || start.elapsed() > OFFLINE_PATIENCE {
                break;
            }
            thread::sleep(Duration::from_secs_f64(512.0 / rate_hz));
            hear(&mut analysis, &[block]);
        }
        assert!(analysis.reading().late > 0);
        assert!(analysis.reading().values.emotions[0] > 0.0);
    }

    #[test]
    fn the_overload_is_over_after_three_quiet_seconds() {
        let rate_hz = 8_000.0;
        let worker = Arc::new(Worker::start(fingerprint_engine).unwrap());
        let mut analysis = analysis(&worker, &contract().features, rate_hz, true);
        analysis.link.lose_window();
        hear(&mut analysis, &[[0.0; 64]]);
        assert!(analysis.reading().overloaded);
        hear(&mut analysis, &[vec![0.0; 23_999]]);
        assert!(analysis.reading().overloaded);
        hear(&mut analysis, &[[0.0]]);
        assert!(!analysis.reading().overloaded);
        assert_eq!(analysis.reading().dropped, 1);
    }

    #[test]
    fn a_reset_starts_over_even_with_results_on_their_way() {
        let rate_hz = 48_000.0;
        let sound = voice(rate_hz, 2.0);
        let worker = Arc::new(Worker::start(fingerprint_engine).unwrap());
        let mut analysis = analysis(&worker, &contract().features, rate_hz, true);
        let first = play(&mut analysis, &sound, rate_hz, &[480]);
        assert_ne!(first.reading.values, Values::default());
        analysis.reset();
        assert_eq!(analysis.reading().values, Values::default());
        let second = play(&mut analysis, &sound, rate_hz, &[480]);
        assert_eq!(second.values, first.values);
    }

    #[test]
    fn stereo_is_the_mean_of_its_channels() {
        let rate_hz = 48_000.0;
        let sound = voice(rate_hz, 1.5);
        let worker = Arc::new(Worker::start(fingerprint_engine).unwrap());
        let mono = play(
            &mut analysis(&worker, &contract().features, rate_hz, true),
            &sound,
            rate_hz,
            &[512],
        );
        let mut stereo = analysis(&worker, &contract().features, rate_hz, true);
        sound.chunks(512).for_each(|block| hear(&mut stereo, &[block, block]));
        assert_eq!(stereo.reading().values, mono.reading.values);
        // Nothing but emptiness and a channel too many are fine.
        hear::<[f32; 0]>(&mut stereo, &[]);
        hear(&mut stereo, &[[], []] as &[[f32; 0]]);
        hear(&mut stereo, &[[0.5; 3], [0.5; 3], [0.5; 3]]);
    }

    #[test]
    fn the_last_value_is_the_timelines_with_the_shipped_model() {
        let rate_hz = 44_100.0;
        let mut sound = voice(rate_hz, 3.0);
        sound.extend(vec![0.0; 44_100]);
        let mut model = Model::from_bytes(SHIPPED_MODEL).unwrap();
        let timeline = Timeline::of(&mut model, &[&sound], rate_hz).unwrap();
        let expected = Pass::of_timeline(&timeline, rate_hz, 4.0, Settings::default()).last();
        let worker = Worker::of_process().unwrap();
        let spec = &shipped_contract().unwrap().features;
        for block in [37, 1_024, 8_192] {
            ends_with(&mut analysis(&worker, spec, rate_hz, true), &sound, block, &expected);
        }
    }

    #[test]
    fn the_last_value_is_the_timelines_with_a_model_of_raw_audio() {
        let rate_hz = 48_000.0;
        let mut sound = voice(rate_hz, 2.5);
        sound.extend(vec![0.0; 48_000]);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("raw.onnx");
        std::fs::write(&file, waveform_model()).unwrap();
        let mut model = Model::from_file(&file).unwrap();
        let timeline = Timeline::of(&mut model, &[&sound], rate_hz).unwrap();
        let expected = Pass::of_timeline(&timeline, rate_hz, 3.5, Settings::default()).last();
        assert!(expected.emotions.iter().any(|value| *value > 0.2), "{expected:?}");
        let worker = Arc::new(Worker::start(move || Engine::from_file(&file)).unwrap());
        for block in [64, 1_000] {
            ends_with(
                &mut analysis(&worker, &contract().features, rate_hz, true),
                &sound,
                block,
                &expected,
            );
        }
    }

    #[test]
    fn without_activation_nothing_happens() {
        let mut analysis = Analysis::new(Arc::new(Link::new(SingerSlot::default(), ModelChoice::default())));
        hear(&mut analysis, &[[0.5; 64]]);
        analysis.reset();
        assert_eq!(analysis.reading().values, Values::default());
        let worker = Arc::new(Worker::start(fingerprint_engine).unwrap());
        assert!(
            analysis
                .activate(worker, &contract().features, 100.0, false, Settings::default())
                .is_err()
        );
        hear(&mut analysis, &[[0.5; 64]]);
        assert_eq!(analysis.reading().values, Values::default());
    }
}
