//! A request for an upgrade, and what becomes of it.

use std::time::Duration;

use super::token::{self, Said};

/// A request for an upgrade as it will reach the service, and what else is to become of its connection.
#[derive(Debug, Default)]
pub(super) struct Upgrade {
    /// Path and query.
    pub target: String,
    /// The header fields, in order.
    pub headers: Vec<(String, String)>,
    pub course: Course,
    /// When the service ends the connection, the client is not told.
    pub stays: bool,
    /// When the client ends the connection, the service is not told.
    pub holds: bool,
    /// Whatever the service sends is taken at once, and kept for the client.
    pub queues: bool,
    /// What the client does not take at once is dropped.
    pub loses: bool,
    /// While something is sent to this client, nothing is to any other.
    pub blocks: bool,
}

/// What becomes of the request.
#[derive(Debug, Default)]
pub(super) enum Course {
    /// The service is asked.
    #[default]
    Through,
    /// The client is told 101 at once, and so much later the service is asked.
    Hasty(Duration),
    /// It gets this answer.
    Answered(u16, Vec<(&'static str, String)>, String),
    /// It is upgraded, and what is published to the user comes straight from Redis.
    Served(String),
    /// It is upgraded and closed at once.
    Closed(u16, &'static str),
}

impl Upgrade {
    /// Reads the head of a request; nothing if it is none.
    pub fn read(head: &str) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let target = lines.next()?.split(' ').nth(1)?.to_owned();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .collect();
        Some(Self {
            target,
            headers,
            ..Self::default()
        })
    }

    /// The head as it is sent on.
    pub fn head(&self) -> String {
        let mut head = format!("GET {} HTTP/1.1\r\n", self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head + "\r\n"
    }

    /// Whether it is for the gateway's former route.
    pub fn is_legacy(&self) -> bool {
        self.target.starts_with("/ws/v1/status/")
    }

    /// The header field `name`, in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find_map(|(field, value)| (field == name).then_some(value.as_str()))
    }

    /// Without the header field `name`.
    pub fn drop_header(&mut self, name: &str) {
        self.headers.retain(|(field, _)| field != name);
    }

    /// The token in the query.
    pub fn token(&self) -> Option<&str> {
        token::in_query(&self.target)
    }

    /// What the token in the query says.
    pub fn said(&self) -> Option<Said> {
        self.token().and_then(Said::by)
    }

    /// Whose connection it will be, as far as the token says.
    pub fn user(&self) -> String {
        let said = self.said().unwrap_or_default();
        said.user().to_owned()
    }

    /// Puts `token` in the place of the one in the query.
    pub fn put_token(&mut self, token: &str) {
        let path = self.target.split('?').next().unwrap_or_default();
        self.target = format!("{path}?token={token}");
    }

    /// Instead of being upgraded it gets an answer with `status` and the body `text`.
    pub fn answer(&mut self, status: u16, text: &str) {
        self.course = Course::Answered(status, Vec::new(), text.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_and_written() {
        let head = "GET /ws?token=t HTTP/1.1\r\nHost: h\r\nOrigin: o\r\n\r\n";
        let mut upgrade = Upgrade::read(head).unwrap();
        assert_eq!(upgrade.header("origin"), Some("o"));
        upgrade.drop_header("origin");
        upgrade.put_token("u");
        let written = "GET /ws?token=u HTTP/1.1\r\nhost: h\r\n\r\n";
        assert_eq!(upgrade.head(), written);
    }
}
