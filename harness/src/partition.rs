//! The scenarios of a run divided over machines.

use std::fmt;
use std::str::FromStr;

/// One of so many parts of the scenarios, as in `1/4`. All parts together are everything, and none has what another has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Partition {
    number: usize,
    of: usize,
}

impl Partition {
    /// Which part it is, from one.
    pub fn number(self) -> usize {
        self.number
    }

    /// How many parts there are.
    pub fn of(self) -> usize {
        self.of
    }

    /// Those of `all` that are in this part. Neighbours in the list are in different parts: what takes long is often of the
    /// same kind.
    pub fn take<T>(self, all: Vec<T>) -> Vec<T> {
        let mine = all.into_iter().skip(self.number - 1).step_by(self.of);
        mine.collect()
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Partition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(number, of)| {
            let (number, of) = (number.parse().ok()?, of.parse().ok()?);
            (1..=of).contains(&number).then_some(Self { number, of })
        });
        numbers.ok_or_else(|| {
            format!("{text:?} is no part of the scenarios: 1/4 is the first of four, 4/4 the last")
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::one(1)]
    #[case::several(3)]
    #[case::more_than_there_are(12)]
    fn the_parts_are_everything_once(#[case] of: usize) {
        let all: Vec<usize> = (0..10).collect();
        let parts = (1..=of).map(|number| format!("{number}/{of}").parse::<Partition>().unwrap());
        let mut taken: Vec<usize> = parts.flat_map(|part| part.take(all.clone())).collect();
        taken.sort_unstable();
        assert_eq!(taken, all);
    }

    #[rstest]
    #[case("0/4")]
    #[case("5/4")]
    #[case("1/0")]
    #[case("4")]
    #[case("1/x")]
    #[case("-1/4")]
    fn what_is_no_part_is_refused(#[case] text: &str) {
        let error = text.parse::<Partition>().unwrap_err();
        assert_eq!(
            error,
            format!("{text:?} is no part of the scenarios: 1/4 is the first of four, 4/4 the last")
        );
    }

    #[test]
    fn it_is_written_as_it_is_read() {
        assert_eq!("2/3".parse::<Partition>().unwrap().to_string(), "2/3");
    }
}
