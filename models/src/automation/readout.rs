use crate::{EMOTIONS, Emotion};

use super::output::Output;
use super::settings::{MOMENTARY_S, Response, SHORT_TERM_S, Settings, Silence};
use super::smoothing::{approach, coefficient};
use super::{CONTROL_TICK, arousal_valence};

/// Time in which a rising output covers 90 % of the way, in seconds: fast enough for a syllable, slow enough not to click
/// where it moves a gain.
const ATTACK_S: f32 = 0.05;
/// Time in which a falling output covers 90 % of the way, in seconds: no flutter between two windows.
const RELEASE_S: f32 = 0.15;
/// How long there is no voice before the values begin to fade, in seconds: longer than a breath.
const FADE_AFTER_S: f64 = 0.8;
/// Time in which fading covers 90 % of the way, in seconds.
const FADE_S: f32 = 2.0;
/// Share from which an emotion becomes dominant: twice what a guess among six has, and a little more.
const ENTER: f32 = 0.35;
/// Share below which it is dominant no longer.
const LEAVE: f32 = 0.25;
/// How far another emotion must be above the dominant one to take its place.
const LEAD: f32 = 0.05;
/// How long an emotion stays dominant at least, in seconds: a word that changes faster cannot be read.
const DWELL_S: f64 = 0.5;

/// What one window brought.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heard {
    /// The six probabilities in the order of [`EMOTIONS`]; `None` for a window without voice.
    pub probabilities: Option<[f32; 6]>,
}

/// The emotions' shares at the three usual time scales, 0 to 1 each, whatever the response is set to.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Meters {
    /// At [`MOMENTARY_S`].
    pub momentary: [f32; 6],
    /// At [`SHORT_TERM_S`].
    pub short_term: [f32; 6],
    /// The mean since playback started.
    pub integrated: [f32; 6],
}

/// What is shown and handed out at one moment. At rest everything is 0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Values {
    /// The emotions, 0 to 1 each, in the order of [`EMOTIONS`]. They sum to one when they have settled.
    pub emotions: [f32; 6],
    /// -1 (calm) to 1 (excited).
    pub arousal: f32,
    /// -1 (unpleasant) to 1 (pleasant).
    pub valence: f32,
    /// 0 (a guess among six) to 1 (certain).
    pub confidence: f32,
    /// The emotion that the voice carries, if one stands out.
    pub dominant: Option<Emotion>,
    /// Whether the last window had a voice.
    pub voiced: bool,
    /// The three time scales.
    pub meters: Meters,
}

impl Values {
    /// One output's value.
    pub fn output(&self, output: Output) -> f32 {
        match output {
            Output::Emotion(emotion) => self.emotions[emotion.index()],
            Output::Arousal => self.arousal,
            Output::Valence => self.valence,
            Output::Confidence => self.confidence,
        }
    }
}

/// Turns windows into values.
#[derive(Debug, Clone)]
pub struct Readout {
    rate_hz: f64,
    attack: f32,
    release: f32,
    fade: f32,
    fade_after: u64,
    dwell: u64,
    silence: Silence,
    /// Factors of the emotions' shares.
    weights: [f32; 6],
    chosen: Integrator,
    momentary: Integrator,
    short_term: Integrator,
    integrated: Integrator,
    /// The last voiced window's probabilities.
    window: Option<[f32; 6]>,
    /// 1 while there is something to show, 0 at rest.
    presence: f32,
    /// Ticks without voice.
    quiet: u64,
    /// Ticks since another emotion became dominant.
    dwelt: u64,
    values: Values,
}

impl Readout {
    /// At rest. `rate_hz`: the host's sample rate.
    pub fn new(rate_hz: f64, settings: &Settings) -> Self {
        let ticks = |seconds: f64| (seconds * rate_hz / CONTROL_TICK as f64).round() as u64;
        let mut readout = Self {
            rate_hz,
            attack: coefficient(ATTACK_S, rate_hz),
            release: coefficient(RELEASE_S, rate_hz),
            fade: coefficient(FADE_S, rate_hz),
            fade_after: ticks(FADE_AFTER_S),
            dwell: ticks(DWELL_S),
            silence: settings.silence,
            weights: [1.0; 6],
            chosen: Integrator::new(settings.response, rate_hz),
            momentary: Integrator::new(Response::Seconds(MOMENTARY_S), rate_hz),
            short_term: Integrator::new(Response::Seconds(SHORT_TERM_S), rate_hz),
            integrated: Integrator::new(Response::Integrated, rate_hz),
            window: None,
            presence: 0.0,
            quiet: 0,
            dwelt: 0,
            values: Values::default(),
        };
        readout.set(settings);
        readout
    }

    /// Takes over settings; what has been heard stays.
    pub fn set(&mut self, settings: &Settings) {
        self.silence = settings.silence;
        self.weights = settings.sensitivity_db.map(|db| 10.0_f32.powf(db / 20.0));
        self.chosen.set(settings.response, self.rate_hz);
    }

    /// Back to rest.
    pub fn reset(&mut self) {
        for integrator in [
            &mut self.chosen,
            &mut self.momentary,
            &mut self.short_term,
            &mut self.integrated,
        ] {
            integrator.reset();
        }
        self.window = None;
        self.presence = 0.0;
        self.quiet = 0;
        self.dwelt = 0;
        self.values = Values::default();
    }

    /// A window takes effect.
    pub fn hear(&mut self, heard: Heard) {
        self.values.voiced = heard.probabilities.is_some();
        if heard.probabilities.is_some() {
            self.window = heard.probabilities;
        }
    }

    /// One control tick passes.
    pub fn tick(&mut self) {
        if let (true, Some(window)) = (self.values.voiced, &self.window) {
            self.quiet = 0;
            self.presence = 1.0;
            for integrator in [
                &mut self.chosen,
                &mut self.momentary,
                &mut self.short_term,
                &mut self.integrated,
            ] {
                integrator.tick(window);
            }
            self.values.meters = Meters {
                momentary: self.weighted(&self.momentary.shares()),
                short_term: self.weighted(&self.short_term.shares()),
                integrated: self.weighted(&self.integrated.shares()),
            };
        } else {
            self.quiet = self.quiet.saturating_add(1);
            if self.silence == Silence::Fade && self.quiet > self.fade_after {
                self.presence = approach(self.presence, 0.0, self.fade);
            }
        }
        let shares = self.chosen.shares();
        let emotions = self.weighted(&shares).map(|share| share * self.presence);
        let (arousal, valence) = arousal_valence(&emotions);
        let confidence = confidence(&shares) * self.presence;
        let (attack, release) = (self.attack, self.release);
        let follow = |value: &mut f32, aim: f32| {
            let rises = aim.abs() > value.abs();
            *value = approach(*value, aim, if rises { attack } else { release });
        };
        for (value, aim) in self.values.emotions.iter_mut().zip(emotions) {
            follow(value, aim);
        }
        follow(&mut self.values.arousal, arousal);
        follow(&mut self.values.valence, valence);
        follow(&mut self.values.confidence, confidence);
        self.choose_dominant();
    }

    /// The values at the last tick.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The shares with every emotion's sensitivity, scaled to the sum that they had.
    fn weighted(&self, shares: &[f32; 6]) -> [f32; 6] {
        let mut weighted = *shares;
        let (mut before, mut after) = (0.0, 0.0);
        for (share, weight) in weighted.iter_mut().zip(self.weights) {
            before += *share;
            *share *= weight;
            after += *share;
        }
        if after > 0.0 {
            let scale = before / after;
            weighted.iter_mut().for_each(|share| *share *= scale);
        }
        weighted
    }

    fn choose_dominant(&mut self) {
        self.dwelt = self.dwelt.saturating_add(1);
        let emotions = &self.values.emotions;
        let likeliest = EMOTIONS
            .into_iter()
            .max_by(|a, b| emotions[a.index()].total_cmp(&emotions[b.index()]))
            .filter(|emotion| emotions[emotion.index()] >= ENTER);
        let next = match self.values.dominant {
            None => likeliest,
            Some(_) if self.dwelt < self.dwell => return,
            Some(dominant) => {
                let share = emotions[dominant.index()];
                match likeliest {
                    Some(other) if share < LEAVE || emotions[other.index()] > share + LEAD => Some(other),
                    _ if share < LEAVE => None,
                    _ => Some(dominant),
                }
            }
        };
        if next != self.values.dominant {
            self.values.dominant = next;
            self.dwelt = 0;
        }
    }
}

/// How far the likeliest emotion's probability is on the way from a guess among six to certainty. The probabilities are
/// calibrated, so 0.4 says: right in half of such cases. From 0 to 1.
pub fn confidence(shares: &[f32; 6]) -> f32 {
    let likeliest = shares.iter().copied().fold(0.0, f32::max);
    let guess = 1.0 / shares.len() as f32;
    ((likeliest - guess) / (1.0 - guess)).max(0.0)
}

/// The mean of the voiced windows with the weights of one response.
#[derive(Debug, Clone)]
struct Integrator {
    /// `None`: every tick counts the same.
    coefficient: Option<f32>,
    /// In double precision, because after hours a tick's share is below single precision.
    shares: [f64; 6],
    ticks: u64,
}

impl Integrator {
    fn new(response: Response, rate_hz: f64) -> Self {
        let mut integrator = Self {
            coefficient: None,
            shares: [0.0; 6],
            ticks: 0,
        };
        integrator.set(response, rate_hz);
        integrator
    }

    fn set(&mut self, response: Response, rate_hz: f64) {
        self.coefficient = match response {
            Response::Integrated => None,
            Response::Seconds(seconds) => Some(coefficient(seconds, rate_hz)),
        };
    }

    fn reset(&mut self) {
        self.shares = [0.0; 6];
        self.ticks = 0;
    }

    fn tick(&mut self, window: &[f32; 6]) {
        self.ticks = self.ticks.saturating_add(1);
        // The first one counts in full: there is nothing to move away from.
        let equal = 1.0 / self.ticks as f64;
        let weight = self.coefficient.map_or(equal, |coefficient| {
            f64::from(coefficient).max(if self.ticks == 1 { 1.0 } else { 0.0 })
        });
        for (share, probability) in self.shares.iter_mut().zip(window) {
            *share += weight * (f64::from(*probability) - *share);
        }
    }

    fn shares(&self) -> [f32; 6] {
        self.shares.map(|share| share as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: f64 = 48_000.0;
    const TICKS_PER_S: f64 = RATE_HZ / CONTROL_TICK as f64;
    const ANGRY: [f32; 6] = [0.8, 0.04, 0.04, 0.04, 0.04, 0.04];
    const SAD: [f32; 6] = [0.04, 0.04, 0.04, 0.04, 0.04, 0.8];

    fn pass(readout: &mut Readout, seconds: f64) {
        for _ in 0..(seconds * TICKS_PER_S).round() as u64 {
            readout.tick();
        }
    }

    fn hear(readout: &mut Readout, probabilities: [f32; 6]) {
        readout.hear(Heard {
            probabilities: Some(probabilities),
        });
    }

    fn quiet(readout: &mut Readout) {
        readout.hear(Heard { probabilities: None });
    }

    fn readout(response: Response) -> Readout {
        let settings = Settings {
            response,
            ..Settings::default()
        };
        Readout::new(RATE_HZ, &settings)
    }

    /// Seconds until "angry" has covered 90 % of the way after a change from sad to angry.
    fn time_to_nine_tenths(response: Response) -> f64 {
        let mut readout = readout(response);
        hear(&mut readout, SAD);
        pass(&mut readout, 60.0);
        let start = readout.values().emotions[0];
        hear(&mut readout, ANGRY);
        let mut ticks = 0;
        while readout.values().emotions[0] < start + 0.9 * (0.8 - start) {
            readout.tick();
            ticks += 1;
        }
        f64::from(ticks) / TICKS_PER_S
    }

    #[test]
    fn the_response_is_as_fast_as_it_says() {
        let momentary = time_to_nine_tenths(Response::Seconds(MOMENTARY_S));
        assert!((0.4..0.46).contains(&momentary), "{momentary} s");
        let short_term = time_to_nine_tenths(Response::Seconds(SHORT_TERM_S));
        assert!((2.9..3.1).contains(&short_term), "{short_term} s");
    }

    #[test]
    fn the_integrated_response_is_the_mean() {
        let mut readout = readout(Response::Integrated);
        hear(&mut readout, SAD);
        pass(&mut readout, 30.0);
        hear(&mut readout, ANGRY);
        pass(&mut readout, 10.0);
        // Silence does not count.
        quiet(&mut readout);
        pass(&mut readout, 100.0);
        let values = readout.values();
        assert!(
            (values.emotions[0] - (0.25 * 0.8 + 0.75 * 0.04)).abs() < 1e-3,
            "{values:?}"
        );
        assert_eq!(
            values.emotions.map(|v| (v * 1e3).round()),
            values.meters.integrated.map(|v| (v * 1e3).round())
        );
    }

    #[test]
    fn rest_is_nothing_and_settled_values_sum_to_one() {
        let mut readout = readout(Response::Seconds(MOMENTARY_S));
        pass(&mut readout, 1.0);
        quiet(&mut readout);
        pass(&mut readout, 1.0);
        assert_eq!(*readout.values(), Values::default());
        hear(&mut readout, ANGRY);
        pass(&mut readout, 5.0);
        let values = readout.values();
        assert_eq!(values.emotions, ANGRY);
        assert_eq!(values.dominant, Some(Emotion::Angry));
        assert!((values.confidence - 0.76).abs() < 1e-3);
        assert!(values.arousal > 0.7 && values.valence < -0.3, "{values:?}");
        readout.reset();
        assert_eq!(*readout.values(), Values::default());
    }

    #[test]
    fn outputs_rise_faster_than_they_fall() {
        let mut readout = readout(Response::Seconds(0.0));
        hear(&mut readout, SAD);
        pass(&mut readout, 5.0);
        hear(&mut readout, ANGRY);
        pass(&mut readout, f64::from(ATTACK_S));
        let values = readout.values();
        let covered = |place: usize| (values.emotions[place] - SAD[place]) / (ANGRY[place] - SAD[place]);
        assert!((covered(0) - 0.9).abs() < 0.02, "{}", covered(0));
        assert!(covered(5) < 0.6, "{}", covered(5));
    }

    #[test]
    fn without_voice_values_hold_or_fade_and_never_turn_neutral() {
        for (silence, end) in [(Silence::Hold, 0.8), (Silence::Fade, 0.0)] {
            let settings = Settings {
                silence,
                ..Settings::default()
            };
            let mut readout = Readout::new(RATE_HZ, &settings);
            hear(&mut readout, ANGRY);
            pass(&mut readout, 5.0);
            quiet(&mut readout);
            pass(&mut readout, FADE_AFTER_S - 0.01);
            assert_eq!(readout.values().emotions, ANGRY, "a breath changes nothing");
            assert!(!readout.values().voiced);
            let mut neutral = 0.0_f32;
            for _ in 0..20 {
                pass(&mut readout, 1.0);
                neutral = neutral.max(readout.values().emotions[Emotion::Neutral.index()]);
            }
            assert_eq!(readout.values().emotions[0], end);
            assert!(neutral <= 0.04, "{neutral}");
            // And come back as they were.
            hear(&mut readout, ANGRY);
            pass(&mut readout, 1.0);
            assert_eq!(readout.values().emotions, ANGRY);
        }
    }

    #[test]
    fn sensitivity_moves_shares_between_emotions() {
        let mut settings = Settings::default();
        settings.sensitivity_db[Emotion::Sad.index()] = 20.0;
        let mut readout = Readout::new(RATE_HZ, &settings);
        hear(&mut readout, ANGRY);
        pass(&mut readout, 5.0);
        let values = readout.values();
        assert!((values.emotions[5] - 0.4 / 1.36).abs() < 1e-4, "{values:?}");
        assert!((values.emotions.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert!((values.confidence - 0.76).abs() < 1e-3, "what the model knows stays");
    }

    #[test]
    fn the_dominant_emotion_neither_flickers_nor_sticks() {
        let mut readout = readout(Response::Seconds(0.0));
        let nearly = [0.36, 0.04, 0.04, 0.14, 0.08, 0.34];
        let other = [0.34, 0.04, 0.04, 0.14, 0.08, 0.36];
        let mut changes = 0;
        let mut before = None;
        for _ in 0..200 {
            for window in [nearly, other] {
                hear(&mut readout, window);
                pass(&mut readout, 0.1);
                changes += u32::from(readout.values().dominant != before);
                before = readout.values().dominant;
            }
        }
        assert_eq!(changes, 1, "the first one stays");
        hear(&mut readout, SAD);
        pass(&mut readout, 1.5);
        assert_eq!(readout.values().dominant, Some(Emotion::Sad));
        hear(&mut readout, [1.0 / 6.0; 6]);
        pass(&mut readout, 1.5);
        assert_eq!(readout.values().dominant, None);
    }

    #[test]
    fn a_new_dominant_emotion_stays_for_its_time() {
        let mut readout = readout(Response::Seconds(0.0));
        hear(&mut readout, ANGRY);
        let mut changes = Vec::new();
        let mut before = None;
        for tick in 0..(5.0 * TICKS_PER_S) as u64 {
            if tick % 75 == 0 {
                hear(&mut readout, if tick % 150 == 0 { ANGRY } else { SAD });
            }
            readout.tick();
            if readout.values().dominant != before {
                before = readout.values().dominant;
                changes.push(tick);
            }
        }
        for pair in changes.windows(2) {
            assert!((pair[1] - pair[0]) as f64 >= DWELL_S * TICKS_PER_S - 1.0, "{changes:?}");
        }
    }
}
