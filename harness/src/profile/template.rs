//! Values of a run in commands and environments: `{name}`.

/// What may stand in braces in commands and environments.
pub const NAMES: [&str; 9] = [
    "port",
    "redis_url",
    "redis_password",
    "jwt_secret",
    "origin",
    "aggregator_url",
    "files_url",
    "classes_url",
    "orchestrator_url",
];

/// The words in braces in `template`. Braces around anything else, as in JSON, stand for themselves.
pub fn names(template: &str) -> impl Iterator<Item = &str> {
    template
        .split('{')
        .skip(1)
        .filter_map(|after| Some(after.split_once('}')?.0))
        .filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
}

/// `template` with each `{name}` of `values` filled in, once: what a value holds stays as it is.
pub fn fill(template: &str, values: &[(&str, String)]) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let value = values.iter().find_map(|(name, value)| {
            let behind = after.strip_prefix(name)?.strip_prefix('}')?;
            Some((value, behind))
        });
        match value {
            Some((value, behind)) => {
                text.push_str(value);
                rest = behind;
            }
            None => {
                text.push('{');
                rest = after;
            }
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_once_and_other_braces_stay() {
        let values = [
            ("port", "80".to_owned()),
            ("redis_url", "{port}".to_owned()),
        ];
        assert_eq!(
            fill(r#"{"a": "{port}", "b": "{redis_url}{x"}"#, &values),
            r#"{"a": "80", "b": "{port}{x"}"#
        );
    }

    #[test]
    fn only_words_are_names() {
        let found: Vec<&str> = names(r#"{"a": 1} {port} {} {Port} {prot}"#).collect();
        assert_eq!(found, ["port", "prot"]);
    }
}
