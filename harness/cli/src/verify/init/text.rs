//! The profile as a file, with its comments.

use std::fmt::Write;

use harness::data::PROGRAM;

use super::answers::{Answers, How};

const BRACES: &str = "\
# In `command` and `environment`, braces stand for values of the run:
#   {port}                       where the part must listen, on every address or on loopback
#   {redis_url}                  where Redis is, with its password
#   {redis_password}             the password alone
#   {jwt_secret}                 what tokens are signed with
#   {origin}                     the one origin that a browser may come from
#   {aggregator_url} {files_url} {classes_url} {orchestrator_url}
#                                what stands in for the services behind the gateway
";

const LACKS: &str = "\
# What your system does not have, of \"faults\" (parts may be killed and started again), \"settings\" (limits can be set by
# the contract's environment variables), \"logs\" (standard output is the contract's log), \"counts\" (metrics and health count
# everything: behind a balancer each of several services counts its own), \"limit\" (a user's connections are limited, on all
# replicas together) and \"origin\" (it allows {origin}).
# One of the variables alone can be lacked by its name, as in lacks = [\"WEBSOCKET_PING_INTERVAL\"].
# What needs it is skipped then, and never counted as passed.
lacks = []
";

const WEBSOCKET: &[(&str, &str)] = &[
    ("WEBSOCKET_PORT", "{port}"),
    ("REDIS_URL", "{redis_url}"),
    ("JWT_SECRET_KEY", "{jwt_secret}"),
    ("CORS_ORIGINS", "{origin}"),
];

const GATEWAY: &[(&str, &str)] = &[
    ("API_GATEWAY_PORT", "{port}"),
    ("API_GATEWAY_REDIS_URL", "{redis_url}"),
    ("API_GATEWAY_JWT_SECRET_KEY", "{jwt_secret}"),
    ("API_GATEWAY_CORS_ORIGINS", "{origin}"),
    ("API_GATEWAY_RESULT_AGGREGATOR_URL", "{aggregator_url}"),
    ("API_GATEWAY_FILE_SERVICE_URL", "{files_url}"),
    ("API_GATEWAY_CMS_API_URL", "{classes_url}"),
    ("API_GATEWAY_BATCH_ORCHESTRATOR_URL", "{orchestrator_url}"),
];

const STANDINS: &str = "\
# The services behind a gateway at a url are stood in for at fixed addresses. Let your gateway call these, and remove the #:
# [standins]
# host = \"0.0.0.0\"
# aggregator_port = 9001
# files_port = 9002
# classes_port = 9003
# orchestrator_port = 9004
";

/// What the file says, which will be called `file`.
pub fn profile(answers: &Answers, file: &str) -> String {
    let mut text = format!(
        "# What is verified, and how each part of it is started or reached: `{PROGRAM} verify --system {file}`.\n\
         #\n\
         # A part is started by a `command` or as an `image`, or runs already at a `url`. One whose section is missing is left\n\
         # out, except Redis: what needs it is skipped, with the reason.\n\
         #\n\
         {BRACES}\n{LACKS}\n{}",
        redis(answers)
    );
    if let Some(how) = &answers.websocket {
        let path = quoted(&answers.path);
        let keys = format!("path = {path}   # where the upgrade is asked for, with ?token=<JWT>\n");
        text += &part("websocket", how, &keys, WEBSOCKET, 8080);
    }
    if let Some(how) = &answers.gateway {
        text += &part("gateway", how, "", GATEWAY, 4001);
        if how.is_url() {
            let _ = write!(text, "\n{STANDINS}");
        }
    }
    text + &token(answers)
        + "\n# Where backend services publish, unless it is here:\n# [backplane]\n# channel = \"ws:{user_id}\"\n"
}

fn redis(answers: &Answers) -> String {
    match &answers.redis {
        None if answers.needs_no_redis() => {
            "# No [redis]: a gateway that runs already has what it needs.\n".to_owned()
        }
        Some(url) => format!(
            "[redis]\nurl = {}   # messages are published there\n",
            quoted(url)
        ),
        None => "# A real Redis, started for the run; or one that runs already: url = \"redis://host:6379\"\n[redis]\n"
            .to_owned(),
    }
}

/// The section `name`, with `keys` of its own besides those of all parts. `port` is where an image listens.
fn part(name: &str, how: &How, keys: &str, environment: &[(&str, &str)], port: u16) -> String {
    let ready = "ready = \"/healthz\"   # answers 200 once it can be used; or \"tcp\": once it accepts connections\n";
    let start = match how {
        How::Command(words) => {
            let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            format!(
                "command = [{}]   # run in this file's folder, ended with the run\n",
                words.join(", ")
            )
        }
        How::Image(image) => format!(
            "image = {}   # a container, removed with the run\n\
             # port = {port}   # where it listens, which is {{port}}; without it, where the contract says\n\
             # arguments = []   # in place of the image's own\n",
            quoted(image)
        ),
        How::Url(url) => {
            let url = quoted(url);
            return format!(
                "\n[{name}]\nurl = {url}   # it runs already: nothing is started or stopped\n{keys}{ready}"
            );
        }
    };
    let mut text = format!("\n[{name}]\n{start}{keys}{ready}");
    text += "# On the left what your service calls it, on the right what it gets:\n";
    for (variable, value) in environment {
        let _ = writeln!(text, "environment.{variable} = {}", quoted(value));
    }
    text
}

fn token(answers: &Answers) -> String {
    let secret = match &answers.secret {
        Some(secret) => format!("secret = {}\n", quoted(secret)),
        None => "# secret = \"…\"   # without it a run makes one, {jwt_secret}\n".to_owned(),
    };
    format!(
        "\n[token]\n\
         issuer = {}\n\
         audience = {}\n\
         algorithm = \"HS256\"   # or HS384, HS512; RS256, ES256 with key_file = \"the private key as PEM (PKCS #8)\"\n\
         {secret}",
        quoted(&answers.issuer),
        quoted(&answers.audience)
    )
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use harness::profile::{Profile, Source};
    use rstest::rstest;

    use super::*;
    use crate::verify::init::answers::Given;

    fn answers(websocket: Option<&str>, gateway: Option<&str>, elsewhere: bool) -> Answers {
        let given = |text: &str| elsewhere.then(|| text.to_owned());
        Given {
            websocket: websocket.map(|how| how.parse().unwrap()),
            gateway: gateway.map(|how| how.parse().unwrap()),
            redis: given("redis://:pass@localhost:6379"),
            secret: given("a \"secret\" \\ of {braces}"),
            ..Given::default()
        }
        .or_defaults()
    }

    /// Every way to start or reach a part: none, a command, a url.
    const WEBSOCKETS: [Option<&str>; 3] = [
        None,
        Some("command:./run 'a \"b\"'"),
        Some("ws://localhost:80"),
    ];
    const GATEWAYS: [Option<&str>; 3] = [
        None,
        Some("command:python3 gateway.py"),
        Some("http://localhost:81"),
    ];

    #[rstest]
    fn every_profile_is_one_that_can_be_verified(
        #[values(0, 1, 2)] websocket: usize,
        #[values(0, 1, 2)] gateway: usize,
        #[values(false, true)] elsewhere: bool,
    ) {
        let answers = answers(WEBSOCKETS[websocket], GATEWAYS[gateway], elsewhere);
        let expected = match (websocket, gateway) {
            (0, 0) => {
                Some("there is nothing to verify: a profile has [websocket], [gateway] or both")
            }
            (0, 2) if !elsewhere => {
                Some("[gateway] url: a part at a url checks tokens with a secret")
            }
            (2, _) if !elsewhere => Some("[websocket] url: a part at a url has a Redis already"),
            (_, 2) if !elsewhere => Some("[gateway] url: a part at a url has a Redis already"),
            _ => None,
        };
        let problem = answers.problem();
        assert_eq!(problem.is_some(), expected.is_some(), "{problem:?}");
        assert!(
            problem
                .unwrap_or_default()
                .starts_with(expected.unwrap_or_default())
        );
    }

    #[test]
    fn the_profile_says_what_was_answered() {
        let answers = answers(WEBSOCKETS[1], GATEWAYS[2], true);
        let text = profile(&answers, "my.toml");
        let profile = Profile::parse("my.toml", &text, Path::new(".")).unwrap();
        let command = ["./run", "a \"b\""].map(str::to_owned);
        assert_eq!(
            profile.websocket.unwrap().source,
            Source::Command(command.into())
        );
        assert!(matches!(profile.gateway.unwrap().source, Source::Url(_)));
        assert!(matches!(profile.redis.unwrap().source, Source::Url(_)));
        let secret = profile.key.map(|key| match key {
            harness::token::Key::Secret(secret) => secret,
            harness::token::Key::Pem(_) => panic!("a secret"),
        });
        assert_eq!(secret, answers.secret);
    }

    #[test]
    fn services_are_told_what_the_reference_services_are() {
        let reference = Profile::reference().unwrap();
        let answers = answers(WEBSOCKETS[1], GATEWAYS[1], false);
        let profile = Profile::parse("", &profile(&answers, ""), Path::new(".")).unwrap();
        for (own, reference) in [
            (profile.websocket, reference.websocket),
            (profile.gateway, reference.gateway),
        ] {
            let mut expected = reference.unwrap().environment;
            // It only labels logs.
            expected.retain(|name, _| !name.ends_with("ENVIRONMENT"));
            assert_eq!(own.unwrap().environment, expected);
        }
    }

    #[test]
    fn what_is_commented_out_is_good_as_well() {
        let answers = answers(None, GATEWAYS[2], true);
        let text = profile(&answers, "my.toml");
        let key = |line: &&str| {
            let name = line.split(" = ").next().unwrap_or_default();
            line.starts_with('[') || name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        };
        let lines = text
            .lines()
            .map(|line| line.strip_prefix("# ").filter(key).unwrap_or(line));
        let text: Vec<&str> = lines.collect();
        let text = text.join("\n");
        let profile = Profile::parse("my.toml", &text, Path::new(".")).unwrap();
        assert_eq!(profile.standins.unwrap().ports(), [9001, 9002, 9003, 9004]);
    }
}
