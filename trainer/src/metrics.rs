//! How good predictions are.

use affekt_models::{EMOTIONS, Emotion};
use serde::{Deserialize, Serialize};

/// Number of emotions.
const CLASSES: usize = EMOTIONS.len();

/// Bins of equal width over the confidence from which the calibration error is computed.
pub const CALIBRATION_BINS: usize = 15;

/// Figures over a set of clips.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Unweighted average recall: mean over the emotions that occur.
    pub uar: f64,
    /// Share of the clips whose most probable emotion is the acted one.
    pub accuracy: f64,
    /// Mean F1 over the emotions that occur.
    pub macro_f1: f64,
    /// Recall of each emotion in output order, `None` where it does not occur.
    pub per_class_recall: [Option<f64>; CLASSES],
    /// Number of clips by acted emotion (row) and most probable emotion (column), in output order.
    pub confusion: [[usize; CLASSES]; CLASSES],
    /// Expected calibration error of the largest probability, over [`CALIBRATION_BINS`] bins
    /// (Naeini, Cooper and Hauskrecht, 2015).
    pub ece: f64,
    /// Number of clips.
    pub clips: usize,
}

impl Metrics {
    /// From each clip's probabilities and acted emotion.
    pub fn new(results: &[([f32; CLASSES], Emotion)]) -> Self {
        let mut confusion = [[0; CLASSES]; CLASSES];
        for (probabilities, emotion) in results {
            confusion[emotion.index()][most_probable(probabilities)] += 1;
        }
        let clips = results.len();
        let bins = reliability(results).into_iter();
        let gaps = bins.map(|bin| bin.clips as f64 * (bin.confidence - bin.accuracy).abs());
        let ece = share(gaps.sum(), clips);

        let mut per_class_recall = [None; CLASSES];
        let (mut recalls, mut scores, mut correct, mut classes) = (0.0, 0.0, 0, 0);
        for class in 0..CLASSES {
            let hits = confusion[class][class];
            correct += hits;
            let acted: usize = confusion[class].iter().sum();
            let heard: usize = confusion.iter().map(|row| row[class]).sum();
            if acted > 0 {
                let recall = hits as f64 / acted as f64;
                per_class_recall[class] = Some(recall);
                recalls += recall;
                scores += 2.0 * hits as f64 / (acted + heard) as f64;
                classes += 1;
            }
        }
        Self {
            uar: share(recalls, classes),
            accuracy: share(correct as f64, clips),
            macro_f1: share(scores, classes),
            per_class_recall,
            confusion,
            ece,
            clips,
        }
    }

    /// The confusion matrix with recalls, in columns.
    pub fn table(&self) -> String {
        let mut text = format!("{:>10}", "acted");
        for emotion in EMOTIONS {
            text += &format!("{:>9}", emotion.name());
        }
        text += "   recall\n";
        for (emotion, row) in EMOTIONS.into_iter().zip(&self.confusion) {
            text += &format!("{:>10}", emotion.name());
            for count in row {
                text += &format!("{count:>9}");
            }
            text += &match self.per_class_recall[emotion.index()] {
                Some(recall) => format!("{:>8.1}%\n", 100.0 * recall),
                None => format!("{:>9}\n", "–"),
            };
        }
        text
    }
}

/// Clips of similar confidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bin {
    /// Mean of their largest probability.
    pub confidence: f64,
    /// Share of them that is right.
    pub accuracy: f64,
    /// Number of clips.
    pub clips: usize,
}

/// The [`CALIBRATION_BINS`] bins of equal width over the confidence that are not empty.
pub fn reliability(results: &[([f32; CLASSES], Emotion)]) -> Vec<Bin> {
    let mut sums = [(0_usize, 0.0_f64, 0_usize); CALIBRATION_BINS];
    for (probabilities, emotion) in results {
        let best = most_probable(probabilities);
        let confidence = f64::from(probabilities[best]);
        let bin = ((confidence * CALIBRATION_BINS as f64) as usize).min(CALIBRATION_BINS - 1);
        sums[bin].0 += 1;
        sums[bin].1 += confidence;
        sums[bin].2 += usize::from(best == emotion.index());
    }
    sums.into_iter()
        .filter(|(clips, _, _)| *clips > 0)
        .map(|(clips, confidence, right)| Bin {
            confidence: confidence / clips as f64,
            accuracy: right as f64 / clips as f64,
            clips,
        })
        .collect()
}

/// Place of the largest probability.
pub fn most_probable(probabilities: &[f32; CLASSES]) -> usize {
    let mut best = 0;
    for (place, probability) in probabilities.iter().enumerate() {
        if *probability > probabilities[best] {
            best = place;
        }
    }
    best
}

fn share(sum: f64, count: usize) -> f64 {
    if count == 0 { 0.0 } else { sum / count as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sure(emotion: Emotion, confidence: f32) -> [f32; CLASSES] {
        let mut probabilities = [(1.0 - confidence) / 5.0; CLASSES];
        probabilities[emotion.index()] = confidence;
        probabilities
    }

    #[test]
    fn figures_equal_those_computed_by_hand() {
        use Emotion::{Angry, Happy, Sad};
        // Four angry (three heard, one taken for sad), two sad (one heard, one taken for happy).
        let results = [
            (sure(Angry, 0.9), Angry),
            (sure(Angry, 0.9), Angry),
            (sure(Angry, 0.5), Angry),
            (sure(Sad, 0.5), Angry),
            (sure(Sad, 0.9), Sad),
            (sure(Happy, 0.5), Sad),
        ];
        let metrics = Metrics::new(&results);
        assert_eq!(metrics.clips, 6);
        assert!((metrics.accuracy - 4.0 / 6.0).abs() < 1e-12);
        assert!((metrics.uar - (0.75 + 0.5) / 2.0).abs() < 1e-12);
        // F1: angry 2·3/(4+3), sad 2·1/(2+2); happy is never acted and does not count.
        assert!((metrics.macro_f1 - (6.0 / 7.0 + 0.5) / 2.0).abs() < 1e-12);
        // Confidence 0.9: 3 of 3 right, gap 0.3; confidence 0.5: 1 of 3 right, gap 0.5. Over 6 clips.
        assert!((metrics.ece - (0.3 + 0.5) / 6.0).abs() < 1e-6);
        assert_eq!(metrics.per_class_recall[Angry.index()], Some(0.75));
        assert_eq!(metrics.per_class_recall[Happy.index()], None);
        assert_eq!(metrics.confusion[Sad.index()][Happy.index()], 1);
        let table = metrics.table();
        assert!(table.contains("75.0%") && table.contains('–'), "{table}");
    }

    #[test]
    fn nothing_gives_zeros() {
        let metrics = Metrics::new(&[]);
        assert_eq!((metrics.uar, metrics.ece, metrics.clips), (0.0, 0.0, 0));
    }
}
