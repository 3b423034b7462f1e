//! The contract's notification fixtures, by name.

use harness::fixture::{self, Fixture, FixtureError, Message, Notification, nearest};
use serde_json::{Value, json};

/// All of them, in the order of their names.
pub struct Notifications(Vec<Fixture<Notification>>);

impl Notifications {
    /// Those in `contracts/fixtures/notifications`.
    pub fn read() -> Result<Self, FixtureError> {
        fixture::notifications().map(Self)
    }

    /// All of them.
    pub fn all(&self) -> &[Fixture<Notification>] {
        &self.0
    }

    /// The one called `name`; the error names the nearest.
    pub fn named(&self, name: &str) -> Result<&Fixture<Notification>, String> {
        let names = || self.0.iter().map(|fixture| fixture.name.as_str());
        let found = self.0.iter().find(|fixture| fixture.name == name);
        found.ok_or_else(|| match nearest(name, names()) {
            Some(near) => format!("no fixture is called `{name}`; did you mean `{near}`?"),
            None => format!(
                "no fixture is called `{name}`; {} has: {}",
                fixture::NOTIFICATIONS,
                names().collect::<Vec<_>>().join(", ")
            ),
        })
    }

    /// The message of the fixture called `name`, made now, with `values` in place of the fixture's. A field that it does
    /// not have is left out; nothing where there is no such fixture.
    pub fn message(&self, name: &str, values: &[(&str, Value)]) -> Option<Message> {
        let mut message = self.named(name).ok()?.content.message.clone();
        let now = json!(jiff::Timestamp::now().to_string());
        for (name, value) in values.iter().chain(&[("timestamp", now)]) {
            if let Some(field) = message.data.get_mut(*name) {
                *field = value.clone();
            }
        }
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::misspelt(
        "class_craeted",
        "no fixture is called `class_craeted`; did you mean `class_created`?"
    )]
    #[case::misspelt_variant(
        "pipeline_completed.partial-failur",
        "no fixture is called `pipeline_completed.partial-failur`; did you mean `pipeline_completed.partial-failure`?"
    )]
    #[case::unlike_anything(
        "0",
        "no fixture is called `0`; contracts/fixtures/notifications has: batch_assessment_completed, "
    )]
    fn an_unknown_fixture_is_answered_with_the_nearest(#[case] name: &str, #[case] words: &str) {
        let notifications = Notifications::read().unwrap();
        let said = notifications.named(name).unwrap_err();
        assert!(said.starts_with(words), "{said}");
    }
}
