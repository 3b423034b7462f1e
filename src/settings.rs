//! Configuration from the environment: typed, with every bad variable named at once.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

/// Variables being read, and what was wrong with them so far.
pub struct Environment {
    variables: BTreeMap<String, String>,
    problems: Vec<String>,
}

/// Every bad variable of an environment, a line each.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration is not usable:\n  {}", .problems.join("\n  "))]
pub struct SettingsError {
    /// One sentence a variable, in the order in which the variables were read.
    pub problems: Vec<String>,
}

impl Environment {
    /// The environment of this process; variables that are not UTF-8 count as absent.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of `name`; without one, a problem. An empty value counts as none.
    pub fn required(&mut self, name: &str) -> Option<String> {
        let value = self.given(name);
        if value.is_none() {
            self.problems
                .push(format!("{name} is required and has no default: set it"));
        }
        value
    }

    /// The value of `name`, or `default`.
    pub fn text(&mut self, name: &str, default: &str) -> String {
        self.given(name).unwrap_or_else(|| default.to_owned())
    }

    /// The value of `name` as a `T`, or `default`; `expected` says what a good value looks like.
    pub fn parsed<T: FromStr>(&mut self, name: &str, default: T, expected: &str) -> T {
        let Some(value) = self.given(name) else {
            return default;
        };
        value.trim().parse().unwrap_or_else(|_| {
            self.reject(name, &value, expected);
            default
        })
    }

    /// The value of `name` in seconds, fractions allowed, greater than zero; or `default`.
    pub fn seconds(&mut self, name: &str, default: Duration) -> Duration {
        let seconds = self.parsed(name, default.as_secs_f64(), "a number of seconds");
        match Duration::try_from_secs_f64(seconds) {
            Ok(duration) if !duration.is_zero() => duration,
            _ => {
                let value = seconds.to_string();
                self.reject(name, &value, "a number of seconds greater than zero");
                default
            }
        }
    }

    /// The value of `name` split at commas, without blanks and empty parts; or `default`, split likewise.
    pub fn list(&mut self, name: &str, default: &str) -> Vec<String> {
        self.text(name, default)
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Notes that `name` holds `value` where `expected` was needed.
    pub fn reject(&mut self, name: &str, value: &str, expected: &str) {
        self.problems
            .push(format!("{name}={value}: expected {expected}"));
    }

    /// `settings`, unless any variable was bad.
    pub fn finish<T>(self, settings: Option<T>) -> Result<T, SettingsError> {
        match settings {
            Some(settings) if self.problems.is_empty() => Ok(settings),
            _ => Err(SettingsError {
                problems: self.problems,
            }),
        }
    }

    fn given(&self, name: &str) -> Option<String> {
        self.variables
            .get(name)
            .filter(|value| !value.trim().is_empty())
            .cloned()
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self {
            variables: variables.into_iter().collect(),
            problems: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn every_bad_variable_is_named_at_once() {
        let mut environment = environment(&[("PORT", "eighty"), ("WAIT", "0")]);
        environment.required("SECRET");
        let port = environment.parsed("PORT", 8080_u16, "a port number");
        environment.seconds("WAIT", Duration::from_secs(1));
        let error = environment.finish(Some(port)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the configuration is not usable:\n  \
             SECRET is required and has no default: set it\n  \
             PORT=eighty: expected a port number\n  \
             WAIT=0: expected a number of seconds greater than zero"
        );
    }

    #[test]
    fn absent_and_empty_variables_take_the_default() {
        let mut environment = environment(&[("PORT", " "), ("ORIGINS", "https://a, ,https://b")]);
        assert_eq!(environment.parsed("PORT", 8080_u16, "a port number"), 8080);
        assert_eq!(
            environment.seconds("WAIT", Duration::from_secs(1)),
            Duration::from_secs(1)
        );
        assert_eq!(environment.list("ORIGINS", ""), ["https://a", "https://b"]);
        assert_eq!(environment.finish(Some(())), Ok(()));
    }
}
