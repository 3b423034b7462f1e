//! The questions to a person: a line each, asked again until the answer is good. What is given is not asked.

use std::io::{self, BufRead, Write};

use harness::token::{AUDIENCE, ISSUER};

use super::answers::{Answers, Given, How, PATH};

/// Who is asked.
pub struct Questions<'a> {
    input: &'a mut dyn BufRead,
    output: &'a mut dyn Write,
}

impl<'a> Questions<'a> {
    /// Answers come from `input`, questions go to `output`.
    pub fn new(input: &'a mut dyn BufRead, output: &'a mut dyn Write) -> Self {
        Self { input, output }
    }

    /// Asks for what `given` leaves open.
    pub fn complete(mut self, mut given: Given) -> io::Result<Answers> {
        if given.websocket.is_none() && given.gateway.is_none() {
            let (websocket, gateway) = self.parts()?;
            if websocket {
                given.websocket =
                    Some(
                        self.how("websocket service", "ws://localhost:8080", |how| Given {
                            websocket: Some(how),
                            ..example()
                        })?,
                    );
            }
            if gateway {
                given.gateway =
                    Some(
                        self.how("API gateway", "http://localhost:4001", |how| Given {
                            gateway: Some(how),
                            ..example()
                        })?,
                    );
            }
        }
        if given.issuer.is_none() {
            let question = "Who issues the tokens (iss)?";
            given.issuer = Some(self.ask(question, Some(ISSUER), text)?);
        }
        if given.audience.is_none() {
            let question = "Whom are they for (aud)?";
            given.audience = Some(self.ask(question, Some(AUDIENCE), text)?);
        }
        if given.secret.is_none() {
            given.secret = self.secret(given.is_elsewhere())?;
        }
        if given.websocket.is_some() && given.path.is_none() {
            let question = "At which path is the WebSocket?";
            given.path = Some(self.ask(question, Some(PATH), |path| {
                possible(path.to_owned(), |path| Given {
                    path: Some(path),
                    ..example()
                })
            })?);
        }
        if given.needs_redis() && given.redis.is_none() {
            let question =
                "Where is the Redis that messages are published in, as in redis://localhost:6379?";
            given.redis = Some(self.ask(question, None, |url| {
                possible(url.to_owned(), |url| Given {
                    redis: Some(url),
                    ..example()
                })
            })?);
        }
        Ok(given.or_defaults())
    }

    /// Whether the websocket service and the gateway are verified.
    fn parts(&mut self) -> io::Result<(bool, bool)> {
        let question = "What do you verify: websocket, gateway or both?";
        self.ask(question, Some("both"), |answer| match answer {
            "websocket" => Ok((true, false)),
            "gateway" => Ok((false, true)),
            "both" => Ok((true, true)),
            _ => Err("expected websocket, gateway or both".to_owned()),
        })
    }

    fn how(&mut self, part: &str, url: &str, with: impl Fn(How) -> Given) -> io::Result<How> {
        let question = format!(
            "How is the {part} started or reached?\n  \
               command:python3 service.py   as a child process, in the profile's folder\n  \
               image:my-service:1.0         in a container\n  \
               url:{url:<25}it runs already"
        );
        self.ask(&question, None, |answer| possible(answer.parse()?, &with))
    }

    /// What tokens are signed with, if it has to be said or somebody wants to.
    fn secret(&mut self, needed: bool) -> io::Result<Option<String>> {
        if needed {
            let question = "Which secret does it check tokens with?";
            return self.ask(question, None, text).map(Some);
        }
        let question = "Which secret are tokens signed with? Empty: every run makes one";
        let secret = self.ask(question, Some(""), text)?;
        Ok((!secret.is_empty()).then_some(secret))
    }

    /// The first answer that `check` takes; an empty line is the `default`, if there is one.
    fn ask<T>(
        &mut self,
        question: &str,
        default: Option<&str>,
        check: impl Fn(&str) -> Result<T, String>,
    ) -> io::Result<T> {
        match default {
            Some(default) if !default.is_empty() => {
                writeln!(self.output, "{question} [{default}]")?
            }
            _ => writeln!(self.output, "{question}")?,
        }
        loop {
            write!(self.output, "> ")?;
            self.output.flush()?;
            let mut line = String::new();
            if self.input.read_line(&mut line)? == 0 {
                writeln!(self.output)?;
                return Err(io::Error::other("the input ended before all was answered"));
            }
            let checked = match (line.trim(), default) {
                ("", None) => Err("there is no default: it has to be said".to_owned()),
                ("", Some(default)) => check(default),
                (answer, _) => check(answer),
            };
            match checked {
                Ok(answer) => return Ok(answer),
                Err(problem) => writeln!(self.output, "{problem}")?,
            }
        }
    }
}

fn text(answer: &str) -> Result<String, String> {
    Ok(answer.to_owned())
}

/// `answer`, if a profile that is good but for it, made by `with`, is good with it.
fn possible<T: Clone>(answer: T, with: impl Fn(T) -> Given) -> Result<T, String> {
    match with(answer.clone()).or_defaults().problem() {
        None => Ok(answer),
        Some(problem) => Err(problem),
    }
}

/// What a good profile may say.
fn example() -> Given {
    Given {
        websocket: Some(How::Url("ws://localhost:8080".to_owned())),
        redis: Some("redis://localhost:6379".to_owned()),
        secret: Some("secret".to_owned()),
        ..Given::default()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// What is answered when these lines are typed, and what was shown meanwhile.
    fn typed(given: Given, lines: &str) -> (io::Result<Answers>, String) {
        let (mut input, mut output) = (lines.as_bytes(), Vec::new());
        let answers = Questions::new(&mut input, &mut output).complete(given);
        assert_eq!(input, b"", "more was typed than asked");
        (answers, String::from_utf8(output).unwrap())
    }

    #[rstest]
    #[case::both_by_default(
        "\ncommand:./ws\ncommand:./gw\n\n\n\n\n",
        Some("command:./ws"),
        Some("command:./gw")
    )]
    #[case::one("gateway\ncommand:./gw\n\n\n\n", None, Some("command:./gw"))]
    #[case::elsewhere(
        "websocket\nws://localhost:80\n\n\nsecret\n/ws/\nredis://localhost\n",
        Some("ws://localhost:80"),
        None
    )]
    #[case::gateway_elsewhere(
        "gateway\nhttp://localhost:81\n\n\nsecret\n",
        None,
        Some("http://localhost:81")
    )]
    fn lines_are_answers(
        #[case] lines: &str,
        #[case] websocket: Option<&str>,
        #[case] gateway: Option<&str>,
    ) {
        let (answers, _) = typed(Given::default(), lines);
        let answers = answers.unwrap();
        let how = |text: Option<&str>| text.map(|text| text.parse::<How>().unwrap());
        assert_eq!(
            (answers.websocket, answers.gateway),
            (how(websocket), how(gateway))
        );
        assert_eq!(
            (answers.issuer.as_str(), answers.audience.as_str()),
            (ISSUER, AUDIENCE)
        );
        let typed = |words: &'static str| lines.contains(words).then_some(words);
        assert_eq!(answers.secret.as_deref(), typed("secret"));
        assert_eq!(answers.redis.as_deref(), typed("redis://localhost"));
        assert_eq!(answers.path, typed("/ws/").unwrap_or(PATH));
    }

    #[test]
    fn a_wrong_answer_is_told_and_asked_again() {
        let given = Given {
            websocket: Some("url:ws://h".parse().unwrap()),
            secret: Some("s".to_owned()),
            issuer: Some("i".to_owned()),
            path: Some("/ws".to_owned()),
            ..Given::default()
        };
        let (answers, said) = typed(given, "\n\nhttp://h\nredis://h\n");
        assert_eq!(answers.unwrap().redis.as_deref(), Some("redis://h"));
        assert!(
            said.contains("there is no default: it has to be said\n"),
            "{said}"
        );
        assert!(said.contains("[redis] url: the scheme is http; "), "{said}");
    }

    #[test]
    fn a_part_that_is_given_is_not_asked_and_the_other_is_left_out() {
        let given = Given {
            websocket: Some("command:./ws".parse().unwrap()),
            ..Given::default()
        };
        let (answers, said) = typed(given, "\n\n\n\n");
        assert_eq!(answers.unwrap().gateway, None);
        assert!(!said.contains("What do you verify"), "{said}");
    }

    #[test]
    fn an_end_of_input_is_no_answer() {
        let (answers, _) = typed(Given::default(), "both\n");
        let error = answers.unwrap_err().to_string();
        assert_eq!(error, "the input ended before all was answered");
    }
}
