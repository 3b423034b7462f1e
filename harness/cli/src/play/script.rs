//! Fixtures published in an order, again and again: `examples/play.toml` documents every key.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use harness::fixture::{FixtureError, with_suggestion};
use serde::Deserialize;
use toml::Spanned;

use super::notifications::Notifications;

/// How long a step without a `pause` rests, in seconds.
const PAUSE: f64 = 1.0;

/// What is published, and to whom.
#[derive(Debug)]
pub struct Script {
    /// The file, as it was named.
    pub file: String,
    /// One after the other.
    pub steps: Vec<Step>,
}

/// One message.
#[derive(Debug)]
pub struct Step {
    /// The fixture's name.
    pub fixture: String,
    /// What is published.
    pub message: String,
    /// The user's id.
    pub user: String,
    /// How long nothing happens afterwards.
    pub pause: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    step: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    publish: Spanned<String>,
    to: Spanned<String>,
    pause: Option<Spanned<f64>>,
}

impl Script {
    /// The script in `path`.
    pub fn of_file(path: &Path, notifications: &Notifications) -> Result<Self, FixtureError> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| FixtureError {
            place: name.clone(),
            problem: format!("cannot be read: {error}"),
        })?;
        Self::parse(&name, &text, notifications)
    }

    fn parse(name: &str, text: &str, notifications: &Notifications) -> Result<Self, FixtureError> {
        let wrong = |at: Option<usize>, problem: String| {
            let line = at.map(|at| text[..at].matches('\n').count() + 1);
            let line = line.map_or(String::new(), |line| format!(":{line}"));
            FixtureError {
                place: format!("{name}{line}"),
                problem,
            }
        };
        let file: File = toml::from_str(text).map_err(|error| {
            let problem = with_suggestion(error.message().trim_end());
            wrong(error.span().map(|span| span.start), problem)
        })?;
        let step = |entry: &Entry| {
            let fixture = entry.publish.get_ref();
            let found = notifications.named(fixture);
            let found =
                found.map_err(|problem| wrong(Some(entry.publish.span().start), problem))?;
            if entry.to.get_ref().is_empty() {
                let problem = "`to` is a user's id, which is not empty".to_owned();
                return Err(wrong(Some(entry.to.span().start), problem));
            }
            let seconds = entry.pause.as_ref().map_or(PAUSE, |pause| *pause.get_ref());
            let pause = Duration::try_from_secs_f64(seconds).map_err(|_| {
                let at = entry.pause.as_ref().map(|pause| pause.span().start);
                wrong(
                    at,
                    format!("`pause` is a number of seconds; it is {seconds}"),
                )
            })?;
            Ok(Step {
                fixture: fixture.clone(),
                message: found.content.message.text(),
                user: entry.to.get_ref().clone(),
                pause,
            })
        };
        let steps: Vec<Step> = file.step.iter().map(step).collect::<Result<_, _>>()?;
        if steps.is_empty() {
            let problem = "has no [[step]]: each publishes one fixture";
            return Err(wrong(None, problem.to_owned()));
        }
        if steps.iter().all(|step| step.pause.is_zero()) {
            let problem = "a loop needs a rest: give one step a `pause` above 0";
            return Err(wrong(None, problem.to_owned()));
        }
        Ok(Self {
            file: name.to_owned(),
            steps,
        })
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut users: Vec<&str> = self.steps.iter().map(|step| step.user.as_str()).collect();
        users.sort_unstable();
        users.dedup();
        let (count, users) = (self.steps.len(), users.join(", "));
        write!(
            f,
            "{} plays in a loop: {count} messages to {users}",
            self.file
        )
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn parse(text: &str) -> Result<Script, FixtureError> {
        Script::parse("s.toml", text, &Notifications::read().unwrap())
    }

    #[test]
    fn a_step_publishes_a_fixture_to_a_user_and_rests() {
        let text = "[[step]]\npublish = \"class_created\"\nto = \"anna\"\npause = 0.5\n\
                    [[step]]\npublish = \"pipeline_completed.partial-failure\"\nto = \"bo\"\n";
        let script = parse(text).unwrap();
        let words = "s.toml plays in a loop: 2 messages to anna, bo";
        assert_eq!(script.to_string(), words);
        assert_eq!(script.steps[0].pause, Duration::from_millis(500));
        assert_eq!(script.steps[1].pause, Duration::from_secs(1));
        let message = &script.steps[1].message;
        assert!(message.starts_with("{\"event\":\"pipeline_completed\""));
    }

    #[rstest]
    #[case::fixture(
        "[[step]]\nto = \"anna\"\npublish = \"clas_created\"",
        "s.toml:3: no fixture is called `clas_created`; did you mean `class_created`?"
    )]
    #[case::key(
        "[[step]]\npublsh = \"class_created\"",
        "s.toml:2: unknown field `publsh`, expected one of `publish`, `to`, `pause`; did you mean `publish`?"
    )]
    #[case::nobody(
        "[[step]]\npublish = \"class_created\"",
        "s.toml:1: missing field `to`"
    )]
    #[case::no_user(
        "[[step]]\npublish = \"class_created\"\nto = \"\"",
        "s.toml:3: `to` is a user's id, which is not empty"
    )]
    #[case::pause(
        "[[step]]\npublish = \"class_created\"\nto = \"anna\"\npause = -1.0",
        "s.toml:4: `pause` is a number of seconds; it is -1"
    )]
    #[case::empty("", "s.toml: has no [[step]]: each publishes one fixture")]
    #[case::restless(
        "[[step]]\npublish = \"class_created\"\nto = \"anna\"\npause = 0.0",
        "s.toml: a loop needs a rest: give one step a `pause` above 0"
    )]
    #[case::no_toml("step = [", "s.toml:1: unclosed array, expected `]`")]
    fn what_is_wrong_is_told_with_its_line_and_what_to_do(
        #[case] text: &str,
        #[case] message: &str,
    ) {
        assert_eq!(parse(text).unwrap_err().to_string(), message);
    }

    #[test]
    fn the_example_can_be_played() {
        let path = harness::data::checkout()
            .unwrap()
            .join("examples/play.toml");
        let script = Script::of_file(&path, &Notifications::read().unwrap());
        assert!(script.unwrap().steps.len() > 5);
    }
}
