//! One instance as the worker sees it: its frames become windows, the windows results.

mod student;

use std::sync::Weak;
use std::time::Instant;

use affekt_features::{Frame, WindowStream};
use affekt_models::Input;
use student::Student;

use super::engine::Engine;
use super::link::{FrameMessage, Link, ModelState, Outcome, SampleMessage};

/// In real time, a window behind which more frames than these wait is left out: at a hop of 10 ms its result would be late
/// already, and the time is better spent on the newest window. So an overload ends by itself.
const STALE_FRAMES: usize = 20;

/// The worker's side of one instance.
pub struct Lane {
    link: Weak<Link>,
    /// `None` without a model: frames are then taken and forgotten.
    stream: Option<WindowStream>,
    /// `None` without a model.
    student: Option<Student>,
    window_frames: u64,
    hop_frames: u64,
    /// The reset after which the stream's frames were heard.
    epoch: Option<u64>,
    /// Index of the frame that comes next if none is lost.
    next_index: u64,
    /// Samples that came for the frame that is next, or for a later one.
    samples: Option<SampleMessage>,
    failing: bool,
}

impl Lane {
    /// Prepares for the engine's windows, and tells the instance how the model is doing.
    pub fn new(link: Weak<Link>, engine: Result<&Engine, &str>) -> Self {
        let prepared = engine.map_err(str::to_owned).and_then(|engine| {
            let contract = engine.contract();
            Student::new(&contract.features)
                .and_then(|student| {
                    let session = student.fresh().clone();
                    contract.windows(session).map(|stream| (stream, student, engine))
                })
                .map_err(|error| error.to_string())
        });
        let (state, stream, student, window_frames, hop_frames) = match prepared {
            Ok((stream, student, engine)) => {
                let contract = engine.contract();
                let (window, hop) = (contract.window_frames as u64, contract.hop_frames as u64);
                let running = ModelState::Running(engine.info().clone());
                (running, Some(stream), Some(student), window, hop)
            }
            Err(error) => (ModelState::Failed(error), None, None, 1, 1),
        };
        if let Some(link) = link.upgrade() {
            link.set_model(state);
            link.want_samples(engine.is_ok_and(|engine| engine.contract().input == Input::Waveform));
        }
        Self {
            link,
            stream,
            student,
            window_frames,
            hop_frames,
            epoch: None,
            next_index: 0,
            samples: None,
            failing: false,
        }
    }

    /// Takes frames up to the next run of the model, which is one at most, so that every instance has its turn.
    /// `false` if there were none.
    pub fn serve(&mut self, mut engine: Option<&mut Engine>) -> bool {
        let Some(link) = self.link.upgrade() else { return false };
        link.recorder().drain();
        if let (Some(student), Some(stream)) = (&mut self.student, &mut self.stream) {
            student.look(link.singer(), stream);
        }
        let mut consumed = 0;
        while let Some(message) = link.next_frame() {
            consumed += 1;
            self.find_samples(&link, &message);
            if let Some(engine) = engine.as_deref_mut()
                && self.hear(&link, &message, engine)
            {
                break;
            }
        }
        if consumed > 0 {
            link.note_consumed(consumed);
        }
        consumed > 0
    }

    /// Takes the samples that came for the frame, and forgets those that came before. There are none if the model did not
    /// take raw audio when the frame was sent.
    fn find_samples(&mut self, link: &Link, message: &FrameMessage) {
        while self.samples.is_none_or(|samples| samples.compare(message).is_lt()) {
            self.samples = link.next_samples();
            if self.samples.is_none() {
                break;
            }
        }
    }

    /// Takes one frame in; whether the model ran.
    fn hear(&mut self, link: &Link, message: &FrameMessage, engine: &mut Engine) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let epoch = message.epoch();
        if epoch != link.epoch() {
            return false;
        }
        if self.epoch != Some(epoch) {
            stream.reset();
            self.epoch = Some(epoch);
            self.next_index = 0;
        }
        let samples = self.samples.as_ref().filter(|samples| samples.compare(message).is_eq());
        let frame = message.frame(samples.map_or(&[], SampleMessage::samples));
        // Frames that were lost on the way are filled in, so that windows keep ending at their positions.
        // No more of them than a window holds and the hop needs.
        let missing = frame.index.saturating_sub(self.next_index);
        let filled = if missing <= self.window_frames {
            missing
        } else {
            self.window_frames + (missing - self.window_frames) % self.hop_frames
        };
        for _ in 0..filled {
            stream.push(Frame {
                samples: &[],
                voiced: false,
                ..frame
            });
        }
        self.next_index = frame.index + 1;
        if let Some(student) = &mut self.student {
            student.hear(&frame, link.singer(), stream);
        }

        let Some(window) = stream.push(frame) else { return false };
        let end_sample = window.end_sample;
        if !window.voiced {
            link.deliver(Outcome {
                epoch,
                end_sample,
                probabilities: None,
            });
            return false;
        }
        if !link.is_offline() && link.waiting_frames() > STALE_FRAMES {
            link.lose_window();
            return false;
        }
        let start = Instant::now();
        match engine.run(window.input) {
            Ok(probabilities) => {
                link.note_inference(start.elapsed());
                link.deliver(Outcome {
                    epoch,
                    end_sample,
                    probabilities: Some(probabilities),
                });
                if std::mem::take(&mut self.failing) {
                    link.set_model(ModelState::Running(engine.info().clone()));
                }
            }
            Err(error) => {
                link.lose_window();
                if !std::mem::replace(&mut self.failing, true) {
                    link.set_model(ModelState::Failed(error));
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use affekt_models::Contract;

    use super::*;
    use crate::model_choice::ModelChoice;
    use crate::singer::SingerSlot;
    use crate::worker::engine::tests::contract;

    const SURE: [f32; 6] = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0];

    fn send(link: &Link, epoch: u64, index: u64, voiced: bool) -> bool {
        let frame = Frame {
            index,
            end_sample: index * 160 + 512,
            bands_db: &[-30.0; 64],
            samples: &[0.1; 160],
            level_db: -20.0,
            voiced,
        };
        link.send(epoch, frame)
    }

    fn setup(run: impl FnMut(&[f32]) -> Result<[f32; 6], String> + Send + 'static) -> (Arc<Link>, Engine, Lane) {
        let link = Arc::new(Link::new(SingerSlot::default(), ModelChoice::default()));
        link.set_offline(true);
        let engine = Engine::new(contract(), "none".into(), run);
        let lane = Lane::new(Arc::downgrade(&link), Ok(&engine));
        (link, engine, lane)
    }

    fn drain(link: &Link) -> Vec<Outcome> {
        std::iter::from_fn(|| link.receive()).collect()
    }

    fn serve_all(lane: &mut Lane, engine: &mut Engine) {
        while lane.serve(Some(engine)) {}
    }

    #[test]
    fn windows_end_every_hop_and_unvoiced_ones_do_not_run() {
        let runs = Arc::new(Mutex::new(0));
        let counter = runs.clone();
        let (link, mut engine, mut lane) = setup(move |_| {
            *counter.lock().unwrap() += 1;
            Ok(SURE)
        });
        for index in 0..100 {
            assert!(send(&link, 0, index, index < 70));
        }
        serve_all(&mut lane, &mut engine);
        let outcomes = drain(&link);
        let ends: Vec<u64> = outcomes.iter().map(|outcome| outcome.end_sample).collect();
        assert_eq!(ends, [49, 59, 69, 79, 89, 99].map(|index| index * 160 + 512));
        let voiced: Vec<bool> = outcomes
            .iter()
            .map(|outcome| outcome.probabilities == Some(SURE))
            .collect();
        assert_eq!(voiced, [true, true, true, false, false, false]);
        assert_eq!(*runs.lock().unwrap(), 3);
        assert_eq!(link.consumed(), 100);
    }

    #[test]
    fn one_visit_runs_the_model_once() {
        let (link, mut engine, mut lane) = setup(|_| Ok(SURE));
        for index in 0..70 {
            send(&link, 0, index, true);
        }
        assert!(lane.serve(Some(&mut engine)));
        assert_eq!(drain(&link).len(), 1);
        assert_eq!(link.consumed(), 50);
    }

    #[test]
    fn a_new_epoch_forgets_frames_and_session() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let (link, mut engine, mut lane) = setup(move |features| {
            log.lock().unwrap().push(features.to_vec());
            Ok(SURE)
        });
        for index in 0..60 {
            send(&link, 0, index, true);
        }
        serve_all(&mut lane, &mut engine);
        link.set_epoch(1);
        // What is still on its way is stale.
        send(&link, 0, 60, true);
        for index in 0..50 {
            send(&link, 1, index, true);
        }
        serve_all(&mut lane, &mut engine);
        let outcomes = drain(&link);
        assert_eq!(
            outcomes.iter().map(|outcome| outcome.epoch).collect::<Vec<_>>(),
            [0, 0, 1]
        );
        let seen = seen.lock().unwrap();
        assert_eq!(seen[2], seen[0], "the window after the reset equals the first one");
        assert_eq!(link.consumed(), 111);
    }

    #[test]
    fn lost_frames_do_not_move_the_windows() {
        let (link, mut engine, mut lane) = setup(|_| Ok(SURE));
        for index in (0..60).chain(63..80).chain(1003..1020) {
            send(&link, 0, index, true);
        }
        serve_all(&mut lane, &mut engine);
        let ends: Vec<u64> = drain(&link)
            .iter()
            .map(|outcome| (outcome.end_sample - 512) / 160)
            .collect();
        assert_eq!(ends, [49, 59, 69, 79, 1009, 1019]);
    }

    #[test]
    fn a_model_of_raw_audio_gets_the_samples_of_its_window() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let link = Arc::new(Link::new(SingerSlot::default(), ModelChoice::default()));
        link.set_offline(true);
        let contract = Contract {
            input: Input::Waveform,
            ..contract()
        };
        let mut engine = Engine::new(contract, "none".into(), move |samples| {
            log.lock().unwrap().push(samples.to_vec());
            Ok(SURE)
        });
        let mut lane = Lane::new(Arc::downgrade(&link), Ok(&engine));
        // Frame 55 is lost on the way.
        for index in (0..55).chain(56..260) {
            let samples: [f32; 160] = std::array::from_fn(|place| (160 * index + place) as f32);
            let frame = Frame {
                index: index as u64,
                end_sample: index as u64 * 160 + 512,
                bands_db: &[-30.0; 64],
                samples: &samples,
                level_db: -20.0,
                voiced: true,
            };
            assert!(link.send(0, frame));
        }
        serve_all(&mut lane, &mut engine);
        let ends: Vec<u64> = drain(&link).iter().map(|outcome| outcome.end_sample).collect();
        assert_eq!(ends[..3], [49, 59, 69].map(|index| index * 160 + 512));
        let seen = seen.lock().unwrap();
        let silent = 55 * 160..56 * 160;
        for (place, window) in seen.iter().enumerate() {
            let end = 160 * (50 + 10 * place);
            let start = end.saturating_sub(200 * 160);
            let expected: Vec<f32> = (start..end)
                .map(|sample| if silent.contains(&sample) { 0.0 } else { sample as f32 })
                .collect();
            assert_eq!(*window, expected, "window {place}");
        }
        assert_eq!(seen.len(), 22);
    }

    #[test]
    fn stale_windows_are_left_out_in_real_time_only() {
        for (offline, results, lost) in [(true, 36, 0), (false, 3, 33)] {
            let (link, mut engine, mut lane) = setup(|_| Ok(SURE));
            link.set_offline(offline);
            for index in 0..400 {
                assert!(send(&link, 0, index, true));
            }
            serve_all(&mut lane, &mut engine);
            assert_eq!(drain(&link).len(), results);
            assert_eq!(link.lost_windows(), lost);
        }
    }

    #[test]
    fn a_failing_model_is_reported_until_it_works_again() {
        let mut calls = 0;
        let (link, mut engine, mut lane) = setup(move |_| {
            calls += 1;
            if calls == 1 { Err("no".into()) } else { Ok(SURE) }
        });
        assert!(matches!(link.model(), ModelState::Running(_)));
        for index in 0..50 {
            send(&link, 0, index, true);
        }
        serve_all(&mut lane, &mut engine);
        assert_eq!(link.model(), ModelState::Failed("no".into()));
        assert_eq!(link.lost_windows(), 1);
        for index in 50..60 {
            send(&link, 0, index, true);
        }
        serve_all(&mut lane, &mut engine);
        assert!(matches!(link.model(), ModelState::Running(_)));
        assert_eq!(drain(&link).len(), 1);
    }

    #[test]
    fn without_a_model_frames_are_taken_and_forgotten() {
        let link = Arc::new(Link::new(SingerSlot::default(), ModelChoice::default()));
        let mut lane = Lane::new(Arc::downgrade(&link), Err("no model"));
        assert_eq!(link.model(), ModelState::Failed("no model".into()));
        for index in 0..100 {
            send(&link, 0, index, true);
        }
        assert!(lane.serve(None));
        assert!(!lane.serve(None));
        assert_eq!(link.consumed(), 100);
        assert!(drain(&link).is_empty());
        drop(link);
        assert!(!lane.serve(None));
    }
}
