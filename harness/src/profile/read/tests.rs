use rstest::rstest;

use super::*;

const TOKEN: &str = "[token]\nissuer = \"i\"\naudience = \"a\"\n";

/// What is said about a profile that is good but for `text`.
fn wrong(text: &str) -> String {
    match Profile::parse("p.toml", &format!("{text}\n{TOKEN}"), Path::new("/nowhere")) {
        Ok(_) => "nothing".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[rstest]
#[case::unknown_section(
    "[websockt]",
    "p.toml:1: unknown field `websockt`, expected one of `redis`, `websocket`, `gateway`, `standins`, `token`, \
     `backplane`, `ca_file`, `lacks`; did you mean `websocket`?"
)]
#[case::unknown_key(
    "[redis]\n[gateway]\nreddy = \"tcp\"",
    "p.toml:3: unknown field `reddy`, expected one of `url`, `command`, `image`, `port`, `arguments`, \
     `environment`, `ready`, `replicas`, `legacy_path`, `error`; did you mean `ready`?"
)]
#[case::another_type(
    "[websocket]\ncommand = \"run\"",
    "p.toml:2: invalid type: string \"run\", expected a sequence"
)]
#[case::unknown_lack(
    "lacks = [\"fault\"]\n[websocket]",
    "p.toml:1: unknown variant `fault`, expected one of `faults`, `settings`, `logs`, `counts`, `limit`, \
     `origin`; did you mean `faults`?"
)]
#[case::nothing_to_verify(
    "[redis]",
    "p.toml: there is nothing to verify: a profile has [websocket], [gateway] or both"
)]
#[case::no_image(
    "[websocket]\nimage = \"my service\"",
    "p.toml:2: [websocket] image: an image is its name and tag, as in \"my-service:1.0\"; it is \"my service\""
)]
#[case::port_of_a_command(
    "[websocket]\ncommand = [\"x\", \"{port}\"]\nport = 80",
    "p.toml:3: [websocket] port: is of an image's container, and the part has no `image`: leave it out"
)]
#[case::arguments_of_our_own(
    "[redis]\narguments = []\n[websocket]",
    "p.toml:2: [redis] arguments: is of an image's container, and the part has no `image`: leave it out"
)]
#[case::no_port_at_all(
    "[websocket]\nimage = \"x\"\nport = 0",
    "p.toml:3: invalid value: integer `0`, expected a nonzero u16"
)]
#[case::unknown_name_in_arguments(
    "[websocket]\nimage = \"x\"\narguments = [\"--port={prt}\"]",
    "p.toml:3: {prt} stands for nothing; did you mean {port}?"
)]
#[case::two_sources(
    "[websocket]\nurl = \"ws://h\"\ncommand = [\"x\"]",
    "p.toml:2: [websocket] url: a part has one of `image`, `command` and `url`: keep one"
)]
#[case::image_and_command(
    "[websocket]\nimage = \"x\"\ncommand = [\"x\"]",
    "p.toml:3: [websocket] command: a part has one of `image`, `command` and `url`: keep one"
)]
#[case::empty_command(
    "[websocket]\ncommand = []",
    "p.toml:2: [websocket] command: a command is the program and its arguments, as in [\"python3\", \"service.py\"]"
)]
#[case::no_port(
    "[websocket]\ncommand = [\"x\"]",
    "p.toml:2: [websocket] command: nothing tells the part where to listen: {port} belongs into its command or \
     environment"
)]
#[case::unknown_name(
    "[websocket]\ncommand = [\"x\", \"{port}\"]\nenvironment.R = \"{redis_ur}\"",
    "p.toml:3: {redis_ur} stands for nothing; did you mean {redis_url}?"
)]
#[case::another_scheme(
    "[websocket]\nurl = \"redis://h\"",
    "p.toml:2: [websocket] url: the scheme is redis; it should be as in ws://host:8080"
)]
#[case::authority_of_nobody(
    "ca_file = \"ca.pem\"\n[websocket]\nurl = \"ws://h\"",
    "p.toml:1: ca_file: no url begins with wss, https or rediss: leave it out"
)]
#[case::no_authority(
    "ca_file = \"ca.pem\"\n[websocket]\nurl = \"wss://h\"",
    "p.toml:1: ca_file: ca.pem cannot be read: No such file or directory (os error 2)"
)]
#[case::path_in_url(
    "[websocket]\nurl = \"ws://h/ws\"",
    "p.toml:2: [websocket] url: has a path or a query; it should be as in ws://host:8080; the path is a key of its own"
)]
#[case::no_url(
    "[gateway]\nurl = \"gateway\"",
    "p.toml:2: [gateway] url: is no URL: relative URL without a base"
)]
#[case::environment_at_a_url(
    "[redis]\nurl = \"redis://h\"\nenvironment.X = \"y\"\n[websocket]",
    "p.toml:3: [redis] environment: a part at a url is not started here, so it gets no environment: leave it out"
)]
#[case::replicas_at_a_url(
    "[redis]\nurl = \"redis://h\"\n[websocket]\nurl = \"ws://h\"\nreplicas = 2",
    "p.toml:5: [websocket] replicas: what is at a url is as many as it is: leave it out"
)]
#[case::no_replica(
    "[websocket]\nreplicas = 0",
    "p.toml:2: invalid value: integer `0`, expected a nonzero u8"
)]
#[case::too_many_replicas(
    "[gateway]\nreplicas = 10",
    "p.toml:2: [gateway] replicas: at most 9 are started on one machine; it is 10"
)]
#[case::whose_redis(
    "[websocket]\nurl = \"ws://h\"",
    "p.toml:2: [websocket] url: a part at a url has a Redis already, and messages must be published there: give \
     [redis] its url, or [backplane] a command as publish and no [redis]"
)]
#[case::whose_secret(
    "[redis]\nurl = \"redis://h\"\n[websocket]\nurl = \"ws://h\"",
    "p.toml:4: [websocket] url: a part at a url checks tokens with a secret of its own: give it as secret of [token]"
)]
#[case::ready(
    "[websocket]\nready = \"soon\"",
    "p.toml:2: [websocket] ready: ready is a path, as in \"/healthz\", or \"tcp\"; it is \"soon\""
)]
#[case::path(
    "[websocket]\npath = \"ws\"",
    "p.toml:2: [websocket] path: a path begins with / and has no query; it is \"ws\""
)]
#[case::path_of_somebody(
    "[websocket]\npath = \"/ws/{user}\"",
    "p.toml:2: {user} stands for nothing; did you mean {user_id}?"
)]
#[case::token_nowhere(
    "[websocket]\ntoken_in = \"headers\"",
    "p.toml:2: unknown variant `headers`, expected `query` or `header`; did you mean `header`?"
)]
#[case::subscribed_to_nothing(
    "[websocket]\n[websocket.subscribe]\nsend = '[\"SUBSCRIBE\"]'\nmessage = \"/2\"",
    "p.toml:3: [websocket.subscribe] send: {channel} belongs into it: what a client wants to hear of; it is \
     \"[\\\"SUBSCRIBE\\\"]\""
)]
#[case::subscribed_by_another_name(
    "[websocket]\nsubscribe = { send = \"{chanel}\", message = \"/2\" }",
    "p.toml:2: {chanel} stands for nothing; did you mean {channel}?"
)]
#[case::message_nowhere(
    "[websocket]\nsubscribe = { send = '{\"of\":\"{channel}\"}', message = \"data\" }",
    "p.toml:2: [websocket.subscribe] message: a JSON pointer begins with /, as in \"/error/code\"; it is \"data\""
)]
#[case::half_a_cluster(
    "[redis]\nurl = \"redis+cluster://a,,b\"\n[websocket]",
    "p.toml:2: [redis] url: it should be as in redis+cluster://host:6379,host:6379"
)]
#[case::sharded_alone(
    "[websocket]\n[backplane]\nsharded = true",
    "p.toml:3: [backplane] sharded: only in a cluster somebody else runs: [redis] needs a url, as in \
     redis+cluster://host:6379,host:6379"
)]
#[case::channel(
    "[websocket]\n[backplane]\nchannel = \"ws:{user}\"",
    "p.toml:3: [backplane] channel: a channel holds {user_id} once and no other name in braces; it is \"ws:{user}\""
)]
#[case::legacy_path(
    "[gateway]\nlegacy_path = \"/old/{client}\"",
    "p.toml:2: {client} stands for nothing; did you mean {client_id}?"
)]
#[case::legacy_query(
    "[gateway]\nlegacy_path = \"/old?id={client_id}\"",
    "p.toml:2: [gateway] legacy_path: a path begins with / and has no query; it is \"/old?id={client_id}\""
)]
#[case::error_code(
    "[gateway.error]\ncode = \"detail.code\"",
    "p.toml:2: [gateway.error] code: a JSON pointer begins with /, as in \"/error/code\"; it is \"detail.code\""
)]
#[case::error_message(
    "[gateway]\nerror.code = \"/code\"\nerror.message = \"text\"",
    "p.toml:3: [gateway.error] message: a JSON pointer begins with /, as in \"/error/code\"; it is \"text\""
)]
#[case::empty_publish(
    "[websocket]\n[backplane]\npublish = []",
    "p.toml:3: [backplane] publish: a command is the program and its arguments, as in [\"publish.sh\", \"{channel}\"]"
)]
#[case::publish_anywhere(
    "[websocket]\n[backplane]\npublish = [\"x\"]",
    "p.toml:3: [backplane] publish: nothing tells the program where to publish: {channel} belongs into an argument"
)]
#[case::publish_where(
    "[websocket]\n[backplane]\npublish = [\"x\", \"{chanel}\"]",
    "p.toml:3: {chanel} stands for nothing; did you mean {channel}?"
)]
#[case::publish_in_the_suites_own(
    "[redis]\n[websocket]\n[backplane]\npublish = [\"x\", \"{channel}\"]",
    "p.toml:4: [backplane] publish: a program cannot know where the suite's own Redis is: leave [redis] out, or leave \
     publish out"
)]
#[case::redis_unknown(
    "[websocket]\nenvironment.R = \"{redis_url}\"\n[backplane]\npublish = [\"x\", \"{channel}\"]",
    "p.toml:2: [websocket] environment: {redis_url}: there is no Redis that the harness knows of; give [redis] its \
     url, or the service the address itself"
)]
#[case::ports_for_nobody(
    "[websocket]\n[standins]\naggregator_port = 1\nfiles_port = 2\nclasses_port = 3\norchestrator_port = 4",
    "p.toml:2: [standins]: the stand-ins have fixed ports only for a gateway at a url: leave the section out"
)]
#[case::good("[websocket]", "nothing")]
#[case::legacy_endpoint(
    "[websocket]\npath = \"/ws/v1/status/{user_id}\"\ntoken_in = \"header\"",
    "nothing"
)]
#[case::subscribes_itself(
    "[websocket]\nsubscribe = { send = '{\"of\":\"{channel}\"}', message = \"/data\" }",
    "nothing"
)]
#[case::gateway_alone(
    "[gateway]\nurl = \"http://h\"",
    "p.toml:2: [gateway] url: a part at a url checks tokens with a secret of its own: give it as secret of [token]"
)]
#[case::redis_of_no_image(
    "[websocket]\nimage = \"x\"\narguments = [\"{redis_url}\"]\n[backplane]\npublish = [\"x\", \"{channel}\"]",
    "p.toml:3: [websocket] arguments: {redis_url}: there is no Redis that the harness knows of; give [redis] its url, or \
     the service the address itself"
)]
#[case::image(
    "[websocket]\nimage = \"x:1\"\nport = 80\narguments = [\"{origin}\"]",
    "nothing"
)]
fn a_bad_profile_is_told_with_place_and_remedy(#[case] text: &str, #[case] message: &str) {
    assert_eq!(wrong(text), message);
}

#[rstest]
#[case::unknown(
    "algorithm = \"HS25\"",
    "algorithm: \"HS25\" is not supported: one of HS256, HS384, HS512, RS256, ES256"
)]
#[case::no_key(
    "algorithm = \"RS256\"",
    "algorithm: an RS or ES algorithm needs a `key_file`"
)]
#[case::no_secret_there(
    "secret = \"s\"\nalgorithm = \"ES256\"",
    "secret: an RS or ES algorithm has a `key_file` and no secret"
)]
#[case::no_key_there(
    "key_file = \"k\"",
    "key_file: an HS algorithm has a `secret` and no key file"
)]
#[case::no_file(
    "key_file = \"k\"\nalgorithm = \"RS256\"",
    "key_file: k cannot be read: No such file or directory (os error 2)"
)]
fn a_bad_token_section_is_told(#[case] lines: &str, #[case] message: &str) {
    let text = format!("[websocket]\n{TOKEN}{lines}");
    let error = Profile::parse("p.toml", &text, Path::new("/nowhere")).unwrap_err();
    assert_eq!(error.to_string(), format!("p.toml:5: [token] {message}"));
}

#[rstest]
#[case::own("[gateway]", false)]
#[case::redis_alone("[redis]\n[gateway]\ncommand = [\"x\", \"{port}\"]", true)]
fn a_reference_service_needs_a_checkout(#[case] text: &str, #[case] startable: bool) {
    let text = format!("{text}\n{TOKEN}");
    let profile = Profile::parse("p.toml", &text, Path::new("/nowhere")).unwrap();
    let source = Text {
        name: "p.toml",
        text: &text,
    };
    source
        .check_startable(&profile, Some(Path::new("/checkout")))
        .unwrap();
    let alone = source.check_startable(&profile, None);
    let said = alone.map_err(|error| error.to_string());
    let problem = format!("[gateway]: {NO_SERVICES}: give its `command`, `image` or `url`");
    assert_eq!(
        said,
        match startable {
            true => Ok(()),
            false => Err(format!("p.toml:1: {problem}")),
        }
    );
}

#[test]
fn no_message_repeats_a_password() {
    let said = wrong("[redis]\nurl = \"redis://:hush@h:port\"\n[websocket]");
    assert!(said.starts_with("p.toml:2: [redis] url: "), "{said}");
    assert!(!said.contains("hush"), "{said}");
}
