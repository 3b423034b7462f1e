//! `cargo verify init`: a profile for services of one's own, from flags and, on a terminal, from questions.
//!
//! - `answers`: what a profile has to say, and what is wrong with it
//! - `questions`: the questions to a person
//! - `text`: the profile as a file, with its comments

mod answers;
mod questions;
mod text;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use harness::data::PROGRAM;

use crate::Status;
use crate::verify::usage;
use answers::{Answers, Given, How};
use questions::Questions;

/// Write a profile for your own services: what no option says is asked on a terminal
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo verify init                                          asks, and writes notifications.toml
  cargo verify init --websocket 'command:python3 service.py'
  cargo verify init --websocket image:my-service:1.0 --gateway image:my-gateway:1.0
  cargo verify init --websocket url:ws://localhost:8080 --redis redis://localhost:6379 --secret \"$JWT_SECRET_KEY\"

A part that is not named is not verified. HOW is one of
  command:PROGRAM ARGUMENTS   a child process, run in the profile's folder
  image:NAME:TAG              a container
  url:ws://HOST:PORT          it runs already; then the secret has to be named as well, and Redis if there is a
                              websocket service

Exit status:
  0  the profile is written
  3  it is not: something is missing or wrong, or the file exists already")]
pub struct Arguments {
    /// The file to write; commands run in its folder
    #[arg(long, value_name = "FILE", default_value = "notifications.toml")]
    out: PathBuf,

    /// How the websocket service is started or reached
    #[arg(long, value_name = "HOW")]
    websocket: Option<How>,

    /// How the API gateway is started or reached
    #[arg(long, value_name = "HOW")]
    gateway: Option<How>,

    /// Where Redis is [default: each run starts one]
    #[arg(long, value_name = "URL")]
    redis: Option<String>,

    /// What tokens are signed with [default: each run makes a secret]
    #[arg(long)]
    secret: Option<String>,

    /// Who issues tokens: `iss` [default: the contract's]
    #[arg(long)]
    issuer: Option<String>,

    /// Whom tokens are for: `aud` [default: the contract's]
    #[arg(long)]
    audience: Option<String>,

    /// Where the websocket service is asked for an upgrade [default: the contract's, /ws]
    #[arg(long)]
    path: Option<String>,

    /// Replace the file if it exists already
    #[arg(long)]
    force: bool,
}

pub fn run(arguments: &Arguments) -> Status {
    let file = &arguments.out;
    let shown = file.display();
    // Nobody should answer questions for nothing.
    if file.exists() && !arguments.force {
        return usage(&format!("{shown} exists already: --force replaces it"));
    }
    let answers = match answers(arguments.given()) {
        Ok(answers) => answers,
        Err(message) => return usage(&message),
    };
    if let Some(problem) = answers.problem() {
        return usage(&format!("no profile can say this: {problem}"));
    }
    if let Err(error) = write(
        file,
        arguments.force,
        &text::profile(&answers, &file.display().to_string()),
    ) {
        return usage(&format!("{shown} cannot be written: {error}"));
    }
    println!("{shown} is written: look into it, then `{PROGRAM} verify --system {shown}`");
    Status::Kept
}

impl Arguments {
    fn given(&self) -> Given {
        Given {
            websocket: self.websocket.clone(),
            gateway: self.gateway.clone(),
            redis: self.redis.clone(),
            secret: self.secret.clone(),
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            path: self.path.clone(),
        }
    }
}

/// What is given, and the rest from a person if there is one.
fn answers(given: Given) -> Result<Answers, String> {
    if io::stdin().is_terminal() {
        let (mut input, mut output) = (io::stdin().lock(), io::stderr());
        return Questions::new(&mut input, &mut output)
            .complete(given)
            .map_err(|error| format!("nothing is written: {error}"));
    }
    match given.missing() {
        None => Ok(given.or_defaults()),
        Some(missing) => Err(format!(
            "{missing}; without a terminal nothing is asked: `{PROGRAM} verify init --help` shows the options"
        )),
    }
}

/// Writes a file that is not there yet, unless it is by force.
fn write(file: &Path, force: bool, text: &str) -> io::Result<()> {
    if force {
        return fs::write(file, text);
    }
    fs::File::create_new(file)?.write_all(text.as_bytes())
}
