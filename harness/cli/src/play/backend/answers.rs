//! What the services behind the gateway answer: the downstream answers of the interaction fixtures, with the ids of the
//! call.

use harness::fixture::{self, Answer, Downstream, FixtureError, Service};
use serde_json::Value;
use wiremock::ResponseTemplate;

/// The fixtures whose answers are used, and what is published after each.
const USED: [(&str, Option<&str>); 9] = [
    ("classes/create", Some("class_created")),
    ("classes/delete", None),
    ("classes/list", None),
    ("classes/read", None),
    ("classes/roster_upload", Some("student_added_to_class")),
    ("classes/update", None),
    ("files/uploaded", Some("batch_files_uploaded")),
    ("pipelines/accepted_cj_assessment", None),
    ("status/own_batch", None),
];

/// The answers.
pub struct Answers(Vec<(Downstream, Option<&'static str>)>);

/// An answer to a call.
pub struct Found<'a> {
    answer: &'a Answer,
    /// The notification fixture that is published afterwards.
    pub notification: Option<&'static str>,
    /// What stands for the words in braces: what the path says, and whatever else is pushed.
    pub values: Vec<(&'a str, String)>,
}

impl Answers {
    /// Those of `contracts/fixtures/gateway`.
    pub fn read() -> Result<Self, FixtureError> {
        let mut interactions = fixture::interactions()?;
        let answers = USED.map(|(name, notification)| {
            let mut all = interactions.iter_mut();
            let found = all.find(|fixture| fixture.name == name);
            let downstream = found.and_then(|fixture| fixture.content.downstream.take());
            let missing = || FixtureError {
                place: format!("{}/{name}.json", fixture::INTERACTIONS),
                problem: "is missing, or has no `downstream`: the playground answers with it"
                    .to_owned(),
            };
            Ok((downstream.ok_or_else(missing)?, notification))
        });
        answers.into_iter().collect::<Result<_, _>>().map(Self)
    }

    /// The answer of `service` to this call, if a fixture has one.
    pub fn find<'a>(&'a self, service: Service, method: &str, path: &str) -> Option<Found<'a>> {
        self.0.iter().find_map(|(downstream, notification)| {
            let request = &downstream.request;
            let values = captures(&request.path, path)?;
            let fits = downstream.service == service && request.method == method;
            fits.then_some(Found {
                answer: &downstream.response,
                notification: *notification,
                values,
            })
        })
    }
}

impl Found<'_> {
    /// What stands for `{name}`; nothing for a word that the path does not say.
    pub fn value(&self, name: &str) -> String {
        let found = self.values.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// The answer with its values, after `change` had its way with a JSON body.
    pub fn answer(&self, change: impl FnOnce(&mut Value)) -> ResponseTemplate {
        let mut template = ResponseTemplate::new(self.answer.status);
        if let Some(json) = &self.answer.json {
            let mut json = self.fill_json(json);
            change(&mut json);
            template = template.set_body_json(json);
        }
        if let Some(text) = &self.answer.text {
            template = template.set_body_string(self.fill(text));
        }
        for (name, value) in &self.answer.headers {
            template = template.insert_header(name.as_str(), self.fill(value));
        }
        template
    }

    fn fill(&self, text: &str) -> String {
        let values = self.values.iter();
        values.fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), value)
        })
    }

    fn fill_json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill(text)),
            Value::Array(values) => values.iter().map(|value| self.fill_json(value)).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| (name.clone(), self.fill_json(value)))
                .collect(),
            other => other.clone(),
        }
    }
}

/// What `path` has where `template` has a word in braces; nothing if it is another path. Queries do not count.
fn captures<'a>(template: &'a str, path: &str) -> Option<Vec<(&'a str, String)>> {
    let template: Vec<&str> = template.split('?').next()?.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    let mut values = Vec::new();
    for (expected, segment) in template.iter().zip(&path) {
        match expected.strip_prefix('{').and_then(|e| e.strip_suffix('}')) {
            Some(name) if !segment.is_empty() => values.push((name, (*segment).to_owned())),
            _ if expected == segment => {}
            _ => return None,
        }
    }
    (template.len() == path.len()).then_some(values)
}

/// The value of the field `name` of a form (RFC 7578), if it has one.
pub fn part(body: &[u8], name: &str) -> Option<String> {
    let body = String::from_utf8_lossy(body);
    let (_, after) = body.split_once(&format!("name=\"{name}\""))?;
    let (_, value) = after.split_once("\r\n\r\n")?;
    let (value, _) = value.split_once("\r\n--")?;
    Some(value.to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::by_id(Service::Classes, "GET", "/v1/classes/7", Some("7"))]
    #[case::list(Service::Classes, "GET", "/v1/classes/", Some(""))]
    #[case::too_deep(Service::Classes, "GET", "/v1/classes/7/8", None)]
    #[case::other_service(Service::Files, "GET", "/v1/classes/7", None)]
    #[case::other_method(Service::Classes, "PATCH", "/v1/classes/7", None)]
    fn a_call_finds_its_fixture(
        #[case] service: Service,
        #[case] method: &str,
        #[case] path: &str,
        #[case] class_id: Option<&str>,
    ) {
        let answers = Answers::read().unwrap();
        let found = answers.find(service, method, path);
        let found = found.map(|found| found.value("class_id"));
        assert_eq!(found.as_deref(), class_id);
    }

    #[test]
    fn a_form_says_which_batch_it_is_for() {
        let form = "--b\r\nContent-Disposition: form-data; name=\"batch_id\"\r\n\r\nabc\r\n--b\r\n\
                    Content-Disposition: form-data; name=\"files\"; filename=\"e.txt\"\r\n\r\nx\r\n--b--\r\n";
        assert_eq!(part(form.as_bytes(), "batch_id").as_deref(), Some("abc"));
        assert_eq!(part(form.as_bytes(), "class_id"), None);
    }
}
