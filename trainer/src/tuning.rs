//! Search for better recipes: random values for any of their fields (Bergstra and Bengio, 2012), and successive halving,
//! which trains many of them a little and the best of them on (Jamieson and Talwalkar, 2016).

use std::collections::BTreeMap;

use rand::Rng;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::recipe::{Recipe, RecipeError};
use crate::seed::{Purpose, stream};

/// What is searched, and how. Read from TOML.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// Number of trials.
    pub trials: usize,
    /// Epochs after which the trials are compared, rising; the last is the length of a whole training.
    pub epochs: Vec<usize>,
    /// Share of the trials that goes on after each comparison.
    pub keep: f64,
    /// Fields of the recipe, as `table.key`, and what they may be.
    pub space: BTreeMap<String, Choice>,
}

/// What a field may be.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Choice {
    /// One of these.
    OneOf(Vec<Value>),
    /// A number between two, both included; a whole one if both are.
    Range(Range),
}

/// Bounds of a number.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// Least.
    pub low: Value,
    /// Greatest.
    pub high: Value,
    /// Whether its logarithm is drawn uniformly, in place of itself.
    #[serde(default)]
    pub log: bool,
}

/// One point of the search.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// From 1.
    pub number: usize,
    /// What was drawn, by field.
    pub values: BTreeMap<String, Value>,
    /// The recipe with these values.
    pub recipe: Recipe,
}

/// How far a trial came.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// The trial, from 1.
    pub trial: usize,
    /// Epochs it was trained.
    pub epochs: usize,
    /// Best UAR on the validation speakers.
    pub uar: f64,
}

/// Why a search cannot be done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SearchError {
    /// Not TOML, or a key is missing, unknown or of the wrong type.
    #[error("the search cannot be read: {0}")]
    Toml(String),
    /// A value out of range.
    #[error("the search's `{key}` cannot be used: {expected}")]
    Value {
        /// The key.
        key: String,
        /// What it may be.
        expected: String,
    },
    /// A draw is no recipe.
    #[error("trial {trial} is no recipe: {reason}")]
    Recipe {
        /// The trial, from 1.
        trial: usize,
        /// Why.
        reason: RecipeError,
    },
}

impl Search {
    /// Reads and checks a search.
    pub fn from_toml(text: &str) -> Result<Self, SearchError> {
        let search: Self = toml::from_str(text).map_err(|error| SearchError::Toml(error.to_string()))?;
        let refuse = |key: &str, expected: &str| {
            Err(SearchError::Value {
                key: key.into(),
                expected: expected.into(),
            })
        };
        if !(1..=100_000).contains(&search.trials) {
            return refuse("trials", "use 1 to 100000");
        }
        if search.epochs.is_empty() || search.epochs[0] == 0 || !search.epochs.is_sorted_by(|a, b| a < b) {
            return refuse("epochs", "use rising numbers of epochs, e.g. [4, 12, 32]");
        }
        if !(search.keep > 0.0 && search.keep < 1.0) {
            return refuse("keep", "use a share between 0 and 1, e.g. 0.33");
        }
        for (field, choice) in &search.space {
            let key = format!("space.{field}");
            if field.split('.').count() != 2 {
                return refuse(&key, "name it as in the recipe, table.key, e.g. training.learning_rate");
            }
            match choice {
                Choice::OneOf(values) if values.is_empty() => return refuse(&key, "give at least one value"),
                Choice::OneOf(_) => {}
                Choice::Range(range) => match range.bounds() {
                    Some((low, high)) if low < high && (!range.log || low > 0.0) => {}
                    _ => return refuse(&key, "give `low` below `high`, and both above 0 for `log = true`"),
                },
            }
        }
        Ok(search)
    }

    /// All trials: `base` (TOML) with drawn values in place of its own.
    pub fn draw(&self, base: &str, seed: u64) -> Result<Vec<Trial>, SearchError> {
        let base: Table = toml::from_str(base).map_err(|error| SearchError::Toml(error.to_string()))?;
        (1..=self.trials)
            .map(|number| {
                let mut random = stream(seed, Purpose::Tuning, number as u64, 0);
                let mut table = base.clone();
                let mut values = BTreeMap::new();
                for (field, choice) in &self.space {
                    let value = choice.draw(&mut random);
                    put(&mut table, field, value.clone());
                    values.insert(field.clone(), value);
                }
                let whole = self.epochs[self.epochs.len() - 1] as i64;
                put(&mut table, "training.epochs", Value::Integer(whole));
                let recipe = Recipe::from_toml(&table.to_string());
                Ok(Trial {
                    number,
                    values,
                    recipe: recipe.map_err(|reason| SearchError::Recipe { trial: number, reason })?,
                })
            })
            .collect()
    }

    /// Numbers of the trials that go on, the best first.
    pub fn survivors(&self, standings: &[Standing]) -> Vec<usize> {
        let count = ((standings.len() as f64 * self.keep).ceil() as usize).max(1);
        ranked(standings).iter().take(count).map(|own| own.trial).collect()
    }
}

/// The best first: those that were trained longer before those that were not, then by UAR, then by number.
pub fn ranked(standings: &[Standing]) -> Vec<Standing> {
    let mut ranked = standings.to_vec();
    ranked.sort_by(|a, b| {
        let longer = b.epochs.cmp(&a.epochs);
        longer.then(b.uar.total_cmp(&a.uar)).then(a.trial.cmp(&b.trial))
    });
    ranked
}

impl Choice {
    fn draw(&self, random: &mut impl Rng) -> Value {
        match self {
            Self::OneOf(values) => values[random.random_range(0..values.len())].clone(),
            Self::Range(range) => range.draw(random),
        }
    }
}

impl Range {
    fn bounds(&self) -> Option<(f64, f64)> {
        let number = |value: &Value| match value {
            Value::Integer(value) => Some(*value as f64),
            Value::Float(value) if value.is_finite() => Some(*value),
            _ => None,
        };
        Some((number(&self.low)?, number(&self.high)?))
    }

    fn draw(&self, random: &mut impl Rng) -> Value {
        let (low, high) = self.bounds().expect("checked when it was read");
        let is_whole = matches!((&self.low, &self.high), (Value::Integer(_), Value::Integer(_)));
        // Half a step beyond both ends, so that they are as likely as the others.
        let (low, high) = if is_whole { (low - 0.5, high + 0.5) } else { (low, high) };
        let value = if self.log {
            random.random_range(low.ln()..=high.ln()).exp()
        } else {
            random.random_range(low..=high)
        };
        match (&self.low, &self.high) {
            (Value::Integer(low), Value::Integer(high)) => Value::Integer((value.round() as i64).clamp(*low, *high)),
            _ => Value::Float(value),
        }
    }
}

/// Puts a value at `table.key`; makes the table if there is none.
fn put(recipe: &mut Table, field: &str, value: Value) {
    let (table, key) = field.split_once('.').unwrap_or((field, ""));
    let own = recipe.entry(table).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(own) = own {
        own.insert(key.into(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::DEFAULT_RECIPE;

    const SEARCH: &str = "
trials = 60
epochs = [2, 6]
keep = 0.25
[space]
\"training.learning_rate\" = { low = 1e-4, high = 1e-2, log = true }
\"network.lstm_layers\" = { low = 1, high = 3 }
\"network.pooling\" = [\"last\", \"attention\"]
\"augmentation.noise\" = { low = 0.0, high = 0.5 }
";

    #[test]
    fn draws_cover_the_space_and_repeat_with_the_seed() {
        let search = Search::from_toml(SEARCH).unwrap();
        let trials = search.draw(DEFAULT_RECIPE, 1).unwrap();
        assert_eq!(trials, search.draw(DEFAULT_RECIPE, 1).unwrap());
        assert_ne!(trials[0], search.draw(DEFAULT_RECIPE, 2).unwrap()[0]);
        let rates: Vec<f64> = trials.iter().map(|trial| trial.recipe.training.learning_rate).collect();
        assert!(rates.iter().all(|rate| (1e-4..=1e-2).contains(rate)));
        let low = rates.iter().filter(|rate| **rate < 1e-3).count();
        assert!(
            (20..=40).contains(&low),
            "half of the draws lie below the geometric middle: {low}"
        );
        for layers in 1..=3 {
            let count = trials
                .iter()
                .filter(|trial| trial.recipe.network.lstm_layers == layers)
                .count();
            assert!((8..=35).contains(&count), "{layers}: {count}");
        }
        assert!(trials.iter().all(|trial| trial.recipe.training.epochs == 6));
        assert!(trials.iter().any(|trial| trial.recipe.augmentation.noise > 0.3));
    }

    #[test]
    fn the_best_quarter_goes_on() {
        let search = Search::from_toml(SEARCH).unwrap();
        let standing = |trial, uar| Standing { trial, epochs: 2, uar };
        let standings = [
            standing(1, 0.3),
            standing(2, 0.5),
            standing(3, 0.5),
            standing(4, 0.1),
            standing(5, 0.4),
        ];
        assert_eq!(search.survivors(&standings), [2, 3]);
        let longer = Standing {
            trial: 6,
            epochs: 6,
            uar: 0.2,
        };
        assert_eq!(ranked(&[standings[1].clone(), longer])[0].trial, 6);
    }

    #[test]
    fn mistakes_are_named() {
        let message = |from: &str, to: &str| Search::from_toml(&SEARCH.replace(from, to)).unwrap_err().to_string();
        assert!(message("trials = 60", "trials = 0").contains("`trials`"));
        assert!(message("[2, 6]", "[6, 2]").contains("`epochs`"));
        assert!(message("keep = 0.25", "keep = 1.5").contains("`keep`"));
        assert!(message("low = 1e-4", "low = 0.0").contains("space.training.learning_rate"));
        assert!(message("training.learning_rate", "learning_rate").contains("table.key"));
        assert!(message("keep", "kept").contains("kept"));
        let search = Search::from_toml(&SEARCH.replace("network.lstm_layers", "network.lstm_layer")).unwrap();
        let error = search.draw(DEFAULT_RECIPE, 1).unwrap_err().to_string();
        assert!(error.contains("trial 1") && error.contains("lstm_layer"), "{error}");
    }
}
