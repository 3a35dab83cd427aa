use affekt_features::{FeatureError, FeatureSpec, Frame, Session, WindowStream};

use crate::singer::{Hearing, Singer, SingerSlot, learning_frames};

/// Learns a singer, and sees to it that windows are heard as the user wants: by the session so far, or by the singer.
pub struct Student {
    spec: FeatureSpec,
    fresh: Session,
    /// Hears only voiced frames of the learning that goes on, over all passes.
    learned: Session,
    needed_frames: u32,
    /// The slot's revision at the last look.
    revision: Option<u64>,
    /// How windows have been heard since then.
    hearing: Option<Hearing>,
    /// The learning that goes on.
    learning: Option<u64>,
}

impl Student {
    /// Knows nobody. Frames are of `spec`.
    ///
    /// # Errors
    /// Those of [`Session::new`].
    pub fn new(spec: &FeatureSpec) -> Result<Self, FeatureError> {
        let fresh = Session::new(spec)?;
        Ok(Self {
            spec: spec.clone(),
            learned: fresh.clone(),
            fresh,
            needed_frames: learning_frames(spec),
            revision: None,
            hearing: None,
            learning: None,
        })
    }

    /// A session that has heard nothing.
    pub fn fresh(&self) -> &Session {
        &self.fresh
    }

    /// Does what the user has decided since the last look. If that is what is done already, session and learning go on.
    pub fn look(&mut self, slot: &SingerSlot, stream: &mut WindowStream) {
        let revision = slot.revision();
        if self.revision.replace(revision) == Some(revision) {
            return;
        }
        let hearing = slot.hearing();
        if self.hearing.as_ref() == Some(&hearing) {
            return;
        }
        self.hearing = Some(hearing.clone());
        self.learning = None;
        match hearing {
            Hearing::Session => stream.continue_with(&self.fresh, false),
            Hearing::Learning(number) => {
                self.learning = Some(number);
                self.learned.reset();
                slot.note_progress(0, self.needed_frames);
                stream.continue_with(&self.fresh, false);
            }
            Hearing::Learned(singer) => match singer.session(&self.spec) {
                Some(session) => stream.continue_with(&session, true),
                // Learned with a model of other features: as if nobody was known.
                None => stream.continue_with(&self.fresh, false),
            },
        }
    }

    /// Hears one frame, before the stream does. The one that ends the learning is the first that is heard by it.
    pub fn hear(&mut self, frame: &Frame<'_>, slot: &SingerSlot, stream: &mut WindowStream) {
        let (Some(learning), true) = (self.learning, frame.voiced) else {
            return;
        };
        self.learned.observe(frame.bands_db);
        let heard = u32::try_from(self.learned.totals().frames).unwrap_or(u32::MAX);
        slot.note_progress(heard, self.needed_frames);
        if heard >= self.needed_frames {
            self.learning = None;
            let singer = Singer::new(&self.spec, self.learned.totals());
            // Heard as it will be after the state was saved and loaded, to the bit.
            if let Some(session) = singer.session(&self.spec) {
                stream.continue_with(&session, true);
            }
            slot.learn(learning, singer);
        }
    }
}

#[cfg(test)]
mod tests {
    use nice_plug::params::persist::PersistentField;

    use super::*;

    fn frame(bands_db: &[f32], voiced: bool) -> Frame<'_> {
        Frame {
            index: 0,
            end_sample: 0,
            bands_db,
            samples: &[],
            level_db: -20.0,
            voiced,
        }
    }

    #[test]
    fn voiced_frames_are_learned_and_kept() {
        let spec = FeatureSpec::standard();
        let slot = SingerSlot::default();
        let mut student = Student::new(&spec).unwrap();
        let mut stream = WindowStream::new(&spec, 100, 10, student.fresh().clone()).unwrap();
        student.look(&slot, &mut stream);
        let (loud, quiet) = (vec![-20.0; spec.mel_bands], vec![-90.0; spec.mel_bands]);
        student.hear(&frame(&loud, true), &slot, &mut stream);
        assert_eq!(slot.hearing(), Hearing::Session, "nobody has asked");
        slot.want(true);
        student.look(&slot, &mut stream);
        for _ in 0..learning_frames(&spec) {
            assert_eq!(slot.hearing(), Hearing::Learning(1));
            student.hear(&frame(&quiet, false), &slot, &mut stream);
            student.hear(&frame(&loud, true), &slot, &mut stream);
        }
        let Hearing::Learned(singer) = slot.hearing() else {
            panic!("{:?}", slot.hearing())
        };
        let session = singer.session(&spec).unwrap();
        assert_eq!(stream.session().mean_db(), session.mean_db());
        assert!(session.mean_db()[0] > -25.0, "{}", session.mean_db()[0]);
        // The same from a saved state.
        let other = SingerSlot::default();
        other.want(true);
        other.set(Some(singer));
        let mut stream = WindowStream::new(&spec, 100, 10, Session::new(&spec).unwrap()).unwrap();
        Student::new(&spec).unwrap().look(&other, &mut stream);
        assert_eq!(stream.session().mean_db(), session.mean_db());
        // No longer wanted.
        slot.want(false);
        student.look(&slot, &mut stream);
        assert_eq!(stream.session().mean_db(), student.fresh().mean_db());
    }

    #[test]
    fn a_state_that_changes_nothing_leaves_session_and_learning_alone() {
        let spec = FeatureSpec::standard();
        let slot = SingerSlot::default();
        // A singer of earlier, whom nobody wants any more.
        slot.want(true);
        let totals = affekt_features::SessionTotals {
            frames: 40,
            sum_db: vec![-1_200.0; spec.mel_bands],
        };
        slot.set(Some(Singer::new(&spec, &totals)));
        slot.want(false);
        let mut student = Student::new(&spec).unwrap();
        let mut stream = WindowStream::new(&spec, 100, 10, student.fresh().clone()).unwrap();
        student.look(&slot, &mut stream);
        let loud = vec![-20.0; spec.mel_bands];
        let hear = |student: &mut Student, stream: &mut WindowStream, frames| {
            for _ in 0..frames {
                student.hear(&frame(&loud, true), &slot, stream);
                stream.push(frame(&loud, true));
            }
        };
        hear(&mut student, &mut stream, 100);
        let heard = stream.session().mean_db().to_vec();
        assert_ne!(heard, student.fresh().mean_db());
        // Undo loads a state that knows of no singer.
        slot.set(None);
        student.look(&slot, &mut stream);
        assert_eq!(stream.session().mean_db(), heard, "the session goes on");

        slot.want(true);
        student.look(&slot, &mut stream);
        hear(&mut student, &mut stream, learning_frames(&spec) - 1);
        let heard = stream.session().mean_db().to_vec();
        slot.set(None);
        student.look(&slot, &mut stream);
        assert_eq!(stream.session().mean_db(), heard, "the session goes on");
        hear(&mut student, &mut stream, 1);
        assert!(matches!(slot.hearing(), Hearing::Learned(_)), "so has the learning");
    }
}
