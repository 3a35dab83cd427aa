//! Work that is shared by several processes or machines.

use std::str::FromStr;

/// A part of the work: the `i`-th of `n`, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    i: usize,
    n: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text
            .split_once('/')
            .and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((i, n)) if (1..=n).contains(&i) => Ok(Self { i, n }),
            _ => Err(format!("`{text}` is no share: write I/N with I from 1 to N, e.g. 2/4")),
        }
    }
}

impl Shard {
    /// Whether the piece of work at `place`, from 0, belongs to it.
    pub fn takes(self, place: usize) -> bool {
        place % self.n == self.i - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_make_up_the_whole() {
        let shards: Vec<Shard> = (1..=3).map(|i| format!("{i}/3").parse().unwrap()).collect();
        for place in 0..20 {
            assert_eq!(shards.iter().filter(|shard| shard.takes(place)).count(), 1);
        }
        for wrong in ["0/3", "4/3", "1", "a/b", "1/0"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
