use crate::{Dct, FeatureError, FeatureSpec, Frame, Session};

/// Fewest frames a window is made of: windows start once this many have been heard.
pub const MIN_WINDOW_FRAMES: usize = 50;
/// Most frames a window may be made of, which bounds the memory.
pub const MAX_WINDOW_FRAMES: usize = 6000;

/// One model input.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    /// Host samples since the last reset up to the end of the newest frame.
    pub end_sample: u64,
    /// What the model takes in, oldest first: row-major `[frames, coefficients]` MFCCs of the session-normalised bands;
    /// of a stream of samples `frames · hop` samples at the model's rate, the last of which ends the newest frame.
    pub input: &'a [f32],
    /// Number of frames, [`MIN_WINDOW_FRAMES`] to the model's `window_frames`.
    pub frames: usize,
    /// Whether at least half of the frames that are new since the window before are voiced.
    pub voiced: bool,
}

/// Frames in, windows out: whenever the number of frames since the last reset is a multiple of `hop_frames` and at
/// least [`MIN_WINDOW_FRAMES`], the last `window_frames` (or as many as there are) become one window, all of them
/// normalised by the session as it stands at the window's end.
pub struct WindowStream {
    content: Content,
    bands: usize,
    /// Values that are kept of a frame.
    width: usize,
    window_frames: usize,
    hop_frames: usize,
    frozen: bool,
    start: Session,
    session: Session,
    /// Up to `2 * window_frames` rows of `width` values, so that the last `window_frames` are contiguous.
    rows: Vec<f32>,
    row_count: usize,
    /// Frames since the last reset.
    frames: u64,
    new_frames: usize,
    new_voiced: usize,
}

/// What windows are made of.
enum Content {
    /// MFCCs: the rows are bands.
    Features {
        dct: Box<Dct>,
        coefficients: usize,
        mfcc: Vec<f32>,
    },
    /// Samples: the rows are the frames' newest.
    Samples,
}

impl WindowStream {
    /// Windows of MFCCs. Allocates everything that is needed; `session` is what has been heard before.
    /// `window_frames`: [`MIN_WINDOW_FRAMES`] to [`MAX_WINDOW_FRAMES`]; `hop_frames`: 1 to `window_frames`.
    ///
    /// # Errors
    /// Those of [`FeatureSpec::validate`], and [`FeatureError::Spec`] if the lengths are outside these bounds or
    /// the session is of another number of bands.
    pub fn new(
        spec: &FeatureSpec,
        window_frames: usize,
        hop_frames: usize,
        session: Session,
    ) -> Result<Self, FeatureError> {
        spec.validate()?;
        let content = Content::Features {
            dct: Box::new(Dct::new(spec)?),
            coefficients: spec.coefficients,
            mfcc: vec![0.0; window_frames.min(MAX_WINDOW_FRAMES) * spec.coefficients],
        };
        Self::of(content, spec.mel_bands, spec, window_frames, hop_frames, session)
    }

    /// Windows of samples, for models that hear raw audio; they end where those of [`WindowStream::new`] end, and count
    /// as voiced as those do.
    ///
    /// # Errors
    /// Those of [`WindowStream::new`].
    pub fn of_samples(
        spec: &FeatureSpec,
        window_frames: usize,
        hop_frames: usize,
        session: Session,
    ) -> Result<Self, FeatureError> {
        spec.validate()?;
        Self::of(Content::Samples, spec.hop, spec, window_frames, hop_frames, session)
    }

    fn of(
        content: Content,
        width: usize,
        spec: &FeatureSpec,
        window_frames: usize,
        hop_frames: usize,
        session: Session,
    ) -> Result<Self, FeatureError> {
        if !(MIN_WINDOW_FRAMES..=MAX_WINDOW_FRAMES).contains(&window_frames) {
            return Err(FeatureError::Spec {
                field: "window_frames",
                value: window_frames.to_string(),
                expected: format!("it must be {MIN_WINDOW_FRAMES} to {MAX_WINDOW_FRAMES}"),
            });
        }
        if !(1..=window_frames).contains(&hop_frames) {
            return Err(FeatureError::Spec {
                field: "hop_frames",
                value: hop_frames.to_string(),
                expected: format!("it must be 1 to `window_frames` = {window_frames}"),
            });
        }
        if session.bands() != spec.mel_bands {
            return Err(FeatureError::Spec {
                field: "mel_bands",
                value: spec.mel_bands.to_string(),
                expected: format!("the session that goes with it has {}", session.bands()),
            });
        }
        Ok(Self {
            content,
            bands: spec.mel_bands,
            width,
            window_frames,
            hop_frames,
            frozen: false,
            start: session.clone(),
            session,
            rows: vec![0.0; 2 * window_frames * width],
            row_count: 0,
            frames: 0,
            new_frames: 0,
            new_voiced: 0,
        })
    }

    /// The same with a session that stays as it is, whatever is heard: the values no longer depend on where
    /// playback began.
    #[must_use]
    pub fn frozen(mut self) -> Self {
        self.frozen = true;
        self
    }

    /// From here on hears by `session`, of the same specification, which is also what a reset goes back to. `frozen`:
    /// it stays as it is. The frames so far stay in the window. Does not allocate.
    pub fn continue_with(&mut self, session: &Session, frozen: bool) {
        self.start.copy_from(session);
        self.session.copy_from(session);
        self.frozen = frozen;
    }

    /// Forgets all frames, and goes back to the session the stream was made with.
    pub fn reset(&mut self) {
        self.session.copy_from(&self.start);
        self.row_count = 0;
        self.frames = 0;
        self.new_frames = 0;
        self.new_voiced = 0;
    }

    /// Takes one frame, in a stream of samples as silence what it lacks of a hop; a voiced one enters the session, unless that is frozen. Returns the window that is due, if one is.
    pub fn push(&mut self, frame: Frame<'_>) -> Option<Window<'_>> {
        debug_assert_eq!(
            frame.bands_db.len(),
            self.bands,
            "the frame comes from another specification"
        );
        if self.row_count == 2 * self.window_frames {
            self.rows.copy_within((self.window_frames + 1) * self.width.., 0);
            self.row_count = self.window_frames - 1;
        }
        let row = &mut self.rows[self.row_count * self.width..][..self.width];
        let values = match self.content {
            Content::Features { .. } => frame.bands_db,
            Content::Samples => frame.samples,
        };
        row.fill(0.0);
        row.iter_mut().zip(values).for_each(|(row, value)| *row = *value);
        self.row_count += 1;
        self.frames += 1;
        self.new_frames += 1;
        if frame.voiced {
            self.new_voiced += 1;
            if !self.frozen {
                self.session.observe(frame.bands_db);
            }
        }
        let due = self.frames.is_multiple_of(self.hop_frames as u64) && self.frames >= MIN_WINDOW_FRAMES as u64;
        due.then(|| self.window(frame.end_sample))
    }

    /// The session so far.
    pub fn session(&self) -> &Session {
        &self.session
    }

    fn window(&mut self, end_sample: u64) -> Window<'_> {
        let frames = self.row_count.min(self.window_frames);
        let rows = &self.rows[(self.row_count - frames) * self.width..self.row_count * self.width];
        let input = match &mut self.content {
            Content::Features {
                dct,
                coefficients,
                mfcc,
            } => {
                let mfcc = &mut mfcc[..frames * *coefficients];
                self.session.mfcc(dct, rows, mfcc);
                &*mfcc
            }
            Content::Samples => rows,
        };
        let voiced = 2 * self.new_voiced >= self.new_frames;
        self.new_frames = 0;
        self.new_voiced = 0;
        Window {
            end_sample,
            input,
            frames,
            voiced,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> FeatureSpec {
        let mut spec = FeatureSpec::standard();
        spec.mel_bands = 4;
        spec.coefficients = 3;
        spec.session.prior_db = vec![-50.0; 4];
        spec
    }

    fn bands(index: u64) -> [f32; 4] {
        [-30.0 - index as f32 % 7.0, -40.0, -45.0 + index as f32 % 5.0, -60.0]
    }

    /// The newest samples of a frame.
    fn samples(index: u64) -> [f32; 160] {
        std::array::from_fn(|place| (160 * index + place as u64) as f32)
    }

    /// What a window should hold: frames `first..=last`, normalised by `session`.
    fn expected(session: &Session, first: u64, last: u64) -> Vec<f32> {
        let rows: Vec<f32> = (first..=last).flat_map(bands).collect();
        let mut out = vec![0.0; (last - first + 1) as usize * 3];
        session.mfcc(&Dct::new(&spec()).unwrap(), &rows, &mut out);
        out
    }

    fn stream(window_frames: usize, hop_frames: usize) -> WindowStream {
        WindowStream::new(&spec(), window_frames, hop_frames, Session::new(&spec()).unwrap()).unwrap()
    }

    fn push(stream: &mut WindowStream, index: u64, voiced: bool) -> Option<Window<'_>> {
        stream.push(Frame {
            index,
            end_sample: 160 * index + 512,
            bands_db: &bands(index),
            samples: &samples(index),
            level_db: -20.0,
            voiced,
        })
    }

    #[test]
    fn another_session_applies_at_once_and_after_a_reset() {
        let spec = spec();
        let mut loud = Session::new(&spec).unwrap();
        for _ in 0..1_000 {
            loud.observe(&[-10.0; 4]);
        }
        let mut stream = WindowStream::new(&spec, 50, 50, Session::new(&spec).unwrap()).unwrap();
        let last = |stream: &mut WindowStream| {
            let mut features = Vec::new();
            for index in 0..50 {
                let frame = Frame {
                    index,
                    end_sample: index * 160,
                    bands_db: &[-20.0; 4],
                    samples: &[],
                    level_db: -20.0,
                    voiced: true,
                };
                if let Some(window) = stream.push(frame) {
                    features = window.input.to_vec();
                }
            }
            features
        };
        let adaptive = last(&mut stream);
        stream.continue_with(&loud, true);
        assert_eq!(stream.session().mean_db(), loud.mean_db());
        let learned = last(&mut stream);
        assert_ne!(learned, adaptive);
        assert_eq!(stream.session().totals(), loud.totals(), "frozen");
        stream.reset();
        assert_eq!(last(&mut stream), learned);
    }

    #[test]
    fn windows_are_due_on_multiples_of_the_hop_and_hold_the_last_frames() {
        let mut stream = stream(80, 15);
        let mut session = Session::new(&spec()).unwrap();
        let mut due = Vec::new();
        for index in 0..400 {
            session.observe(&bands(index));
            let frames = (index + 1).min(80);
            if let Some(window) = push(&mut stream, index, true) {
                assert_eq!(window.end_sample, 160 * index + 512);
                assert_eq!(window.frames as u64, frames);
                assert_eq!(window.input, expected(&session, index + 1 - frames, index));
                due.push(index + 1);
            }
            assert_eq!(stream.session().totals(), session.totals());
        }
        assert_eq!(due, (4..=26).map(|n| n * 15).collect::<Vec<_>>());
    }

    #[test]
    fn windows_of_samples_end_where_the_others_do() {
        let mut features = stream(80, 15);
        let mut samples = WindowStream::of_samples(&spec(), 80, 15, Session::new(&spec()).unwrap()).unwrap();
        for index in 0..400 {
            let expected = push(&mut features, index, index % 40 < 20).map(|w| (w.end_sample, w.frames, w.voiced));
            let window = push(&mut samples, index, index % 40 < 20);
            assert_eq!(window.map(|w| (w.end_sample, w.frames, w.voiced)), expected);
            if let Some(window) = window {
                let first = 160 * (index + 1 - window.frames as u64);
                let values: Vec<f32> = (first..160 * (index + 1)).map(|value| value as f32).collect();
                assert_eq!(window.input, values);
            }
        }
        assert_eq!(features.session().totals(), samples.session().totals());
    }

    #[test]
    fn samples_that_are_missing_are_silence() {
        let mut stream = WindowStream::of_samples(&spec(), 50, 1, Session::new(&spec()).unwrap()).unwrap();
        for index in 0..150 {
            let row = samples(index);
            let frame = Frame {
                index,
                end_sample: 0,
                bands_db: &bands(index),
                samples: if index == 140 { &[] } else { &row },
                level_db: -20.0,
                voiced: true,
            };
            if let (Some(window), 149) = (stream.push(frame), index) {
                let gap = 40 * 160..41 * 160;
                assert!(window.input[gap.clone()].iter().all(|sample| *sample == 0.0));
                assert_eq!(window.input[gap.end], 141.0 * 160.0);
            }
        }
    }

    #[test]
    fn the_first_window_has_the_fewest_frames_and_every_frame_can_end_one() {
        let mut stream = stream(MIN_WINDOW_FRAMES, 1);
        for index in 0..200 {
            let window = push(&mut stream, index, false);
            assert_eq!(window.is_some(), index + 1 >= 50);
            assert!(window.is_none_or(|window| window.frames == 50 && window.input.len() == 150));
        }
    }

    #[test]
    fn half_of_the_new_frames_make_a_window_voiced() {
        let mut stream = stream(100, 10);
        let voiced = |index: u64| match index {
            0..25 => true,
            25..50 => false,
            50..60 => index < 54,
            60..70 => index < 65,
            _ => true,
        };
        let windows: Vec<bool> = (0..80)
            .filter_map(|index| push(&mut stream, index, voiced(index)).map(|window| window.voiced))
            .collect();
        assert_eq!(windows, [true, false, true, true]);
        assert_eq!(stream.session().totals().frames, 25 + 4 + 5 + 10);
    }

    #[test]
    fn reset_goes_back_to_the_session_it_began_with() {
        let mut before = Session::new(&spec()).unwrap();
        before.observe(&[-10.0; 4]);
        let mut stream = WindowStream::new(&spec(), 60, 10, before.clone()).unwrap();
        let run = |stream: &mut WindowStream| {
            (0..100)
                .filter_map(|n| push(stream, n, n % 3 > 0).map(|w| w.input.to_vec()))
                .collect::<Vec<_>>()
        };
        let first = run(&mut stream);
        assert_ne!(stream.session().totals(), before.totals());
        stream.reset();
        assert_eq!(stream.session().totals(), before.totals());
        assert_eq!(run(&mut stream), first);
    }

    #[test]
    fn a_frozen_session_does_not_change() {
        let mut learnt = Session::new(&spec()).unwrap();
        (0..500).for_each(|_| learnt.observe(&[-25.0, -35.0, -45.0, -55.0]));
        let mut stream = WindowStream::new(&spec(), 50, 50, learnt.clone()).unwrap().frozen();
        for index in 0..49 {
            assert!(push(&mut stream, index, true).is_none());
        }
        let window = push(&mut stream, 49, true).unwrap();
        assert!(window.voiced);
        assert_eq!(window.input, expected(&learnt, 0, 49));
        assert_eq!(stream.session().totals(), learnt.totals());
    }

    #[test]
    fn lengths_and_sessions_that_do_not_fit_are_refused() {
        let refused = |window_frames, hop_frames| {
            let session = Session::new(&spec()).unwrap();
            match WindowStream::new(&spec(), window_frames, hop_frames, session) {
                Err(FeatureError::Spec { field, .. }) => field,
                _ => "",
            }
        };
        assert_eq!(refused(MIN_WINDOW_FRAMES - 1, 10), "window_frames");
        assert_eq!(refused(MAX_WINDOW_FRAMES + 1, 10), "window_frames");
        assert_eq!(refused(100, 0), "hop_frames");
        assert_eq!(refused(100, 101), "hop_frames");
        let other = Session::new(&FeatureSpec::standard()).unwrap();
        let error = WindowStream::new(&spec(), 100, 10, other).err().unwrap();
        assert!(error.to_string().contains("has 64"), "{error}");
    }
}
