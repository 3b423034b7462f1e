//! One way in which a system breaks the contract, and the promise that it breaks.

use std::fmt;

use crate::scenario::{Failure, Outcome};

/// What was expected and what came, and which promises that may break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    words: String,
    /// From the most particular to the general one; none where only the scenario knows.
    promises: Vec<&'static str>,
    /// Another promise that explains it as well, if anything else shows it broken.
    unless: Option<&'static str>,
    /// The client that noticed, where it is about one connection.
    client: Option<String>,
    /// The number of the message, where it is about one.
    message: Option<usize>,
}

impl Breach {
    /// Breaks what the scenario is about.
    pub fn new(words: impl Into<String>) -> Self {
        Self::of(words, [])
    }

    /// Breaks the first of `promises` that the scenario proves, or else the last one, which is the general one.
    pub fn of(words: impl Into<String>, promises: impl IntoIterator<Item = &'static str>) -> Self {
        Self {
            words: words.into(),
            promises: promises.into_iter().collect(),
            unless: None,
            client: None,
            message: None,
        }
    }

    /// The same, noticed by `client`, about the message with this number if it is about one.
    pub fn at(self, client: &str, message: Option<usize>) -> Self {
        Self {
            client: Some(client.to_owned()),
            message,
            ..self
        }
    }

    /// The same; where something else in the run shows `other` to be broken, and `possible`, it breaks that one instead.
    pub fn unless(self, other: &'static str, possible: bool) -> Self {
        Self {
            unless: possible.then_some(other),
            ..self
        }
    }

    /// Whether it may break another promise, which something else has to show.
    pub fn is_doubtful(&self) -> bool {
        self.unless.is_some()
    }

    /// Decides what it breaks, with what the whole run has shown to be `broken`.
    pub fn decide(&mut self, broken: impl Fn(&str) -> bool) {
        if let Some(other) = self.unless.take()
            && broken(other)
        {
            self.promises = vec![other];
        }
    }

    /// The same; where it names no promise it breaks `promise`.
    pub fn or_of(self, promise: Option<&'static str>) -> Self {
        match self.promises.is_empty() {
            true => Self {
                promises: promise.into_iter().collect(),
                ..self
            },
            false => self,
        }
    }

    /// What was expected and what came.
    pub fn words(&self) -> &str {
        &self.words
    }

    /// The client that noticed, where it is about one connection.
    pub fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// The number of the message, where it is about one.
    pub fn message(&self) -> Option<usize> {
        self.message
    }

    /// The same with other words.
    pub fn with_words(self, words: impl FnOnce(&str) -> String) -> Self {
        Self {
            words: words(&self.words),
            ..self
        }
    }

    /// The promise that is broken, by its id, in a scenario that proves `proved`. The first of those is what the scenario
    /// is about.
    pub fn promise<'a>(&self, proved: &'a [String]) -> Option<&'a str>
    where
        'static: 'a,
    {
        let known = |promise: &&&'static str| proved.iter().any(|id| id == **promise);
        let own = self.promises.iter().find(known).or(self.promises.last());
        own.copied().or_else(|| proved.first().map(String::as_str))
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// Names the promise that a failed step breaks, where that is not what the scenario is about.
pub trait Breaks: Sized {
    /// The same outcome; a breach in it that names no promise breaks `promise`.
    fn breaks(self, promise: &'static str) -> Self;
}

impl<T> Breaks for Outcome<T> {
    fn breaks(self, promise: &'static str) -> Self {
        self.map_err(|failure| match failure {
            Failure::Broken(mut breaches) => {
                for breach in breaches.iter_mut().filter(|b| b.promises.is_empty()) {
                    breach.promises.push(promise);
                }
                Failure::Broken(breaches)
            }
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::what_the_scenario_is_about(&[], &["a", "b"], Some("a"))]
    #[case::the_particular_one(&["b", "c"], &["a", "b", "c"], Some("b"))]
    #[case::the_general_one(&["x", "y"], &["a"], Some("y"))]
    #[case::of_a_scenario_that_proves_nothing(&[], &[], None)]
    fn a_breach_breaks(
        #[case] promises: &[&'static str],
        #[case] proved: &[&str],
        #[case] broken: Option<&str>,
    ) {
        let proved: Vec<String> = proved.iter().map(|id| (*id).to_owned()).collect();
        let breach = Breach::of("words", promises.iter().copied());
        assert_eq!(breach.promise(&proved), broken);
    }

    #[test]
    fn a_step_names_the_promise_of_breaches_that_name_none() {
        let breaches = vec![Breach::new("one"), Breach::of("two", ["a"])];
        let outcome: Outcome = Err(Failure::Broken(breaches));
        let Err(Failure::Broken(breaches)) = outcome.breaks("b") else {
            panic!("it was broken before");
        };
        let broken: Vec<Option<&str>> = breaches.iter().map(|b| b.promise(&[])).collect();
        assert_eq!(broken, [Some("b"), Some("a")]);
    }
}
