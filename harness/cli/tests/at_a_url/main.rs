//! Systems that somebody else runs, good ones and bad ones: what `cargo verify` says about them, and how it ends.
//!
//! - `dialect`: a gateway with other errors than the contract's
//! - `fake`: services that misbehave
//! - `legacy`: an old websocket service, with its user in the path and the token in a header field
//! - `tls`: TLS in front of a service that has none
//! - `verify`: the command line, run with a profile

mod dialect;
mod fake;
mod legacy;
mod tls;
mod verify;

use harness::profile::Profile;
use harness::system::{RedisServer, Runtime, Settings, Stock, System};
use rstest::rstest;

use fake::Fake;
use verify::{compare, verify};

const TOKEN: &str =
    "[token]\nissuer = \"huleedu-identity-service\"\naudience = \"huleedu-platform\"\n";

/// The reference system, as somebody else would run it.
async fn reference() -> System {
    let profile = Profile::reference().unwrap();
    let stock = Stock::prepare(profile, Some(Runtime::Processes), &|_| {})
        .await
        .unwrap();
    System::start(&stock, &Settings::default()).await.unwrap()
}

/// The section of tokens that `system` takes for good.
fn token_of(system: &System) -> String {
    format!("{TOKEN}secret = \"{}\"\n", system.issuer.secret().unwrap())
}

/// `host:port` of both services and Redis.
fn authorities(system: &System) -> [String; 3] {
    let endpoints = [&system.websocket, &system.gateway];
    let [websocket, gateway] = endpoints.map(|endpoint| endpoint.as_ref().unwrap().authority());
    [websocket, gateway, system.redis().unwrap().authority()]
}

/// A profile of a websocket service alone.
fn of_websocket(url: &str, ready: &str, redis: &str, token: &str) -> String {
    format!(
        "[redis]\nurl = \"{redis}\"\n[websocket]\nurl = \"{url}\"\nready = \"{ready}\"\n{token}"
    )
}

fn any_secret() -> String {
    format!("{TOKEN}secret = \"any\"\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_behind_tls_is_verified() {
    let system = reference().await;
    let authority = tls::Authority::new();
    let [websocket, gateway, redis] = authorities(&system);
    let (websocket, gateway, redis) = (
        authority.serve(websocket).await,
        authority.serve(gateway).await,
        authority.serve(redis).await,
    );
    let profile = format!(
        "ca_file = \"ca.pem\"\n[redis]\nurl = \"rediss://:{}@localhost:{redis}\"\n\
         [websocket]\nurl = \"wss://localhost:{websocket}\"\n[gateway]\nurl = \"https://localhost:{gateway}\"\n{}",
        system.redis_password,
        token_of(&system)
    );
    let verified = verify(&profile, &[("ca.pem", &authority.pem())], &[]).await;
    assert_eq!(verified.status, 0, "{verified:?}");
    for part in ["notifications/connections", "gateway/legacy"] {
        assert!(verified.said.contains(part), "{verified:?}");
    }
    let passed = " passed, 0 failed";
    assert!(verified.printed.contains(passed), "{verified:?}");
    system.stop().await;
}

/// What a team might have: a script that takes a message to a Redis which is out of the harness' reach.
fn publish_script(system: &System) -> String {
    let redis = system.redis().unwrap().authority();
    let (host, port) = redis.split_once(':').unwrap();
    let password = &system.redis_password;
    format!(
        r#"LC_ALL=C
message=$(cat; printf .); message=${{message%.}}
exec 3<>/dev/tcp/{host}/{port}
printf '*2\r\n$4\r\nAUTH\r\n${}\r\n{password}\r\n' >&3
printf '*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n' ${{#1}} "$1" ${{#message}} "$message" >&3
read -r answer <&3
case $answer in +OK*) ;; *) echo "$answer" >&2; exit 1 ;; esac
read -r answer <&3
case $answer in :*) ;; *) echo "$answer" >&2; exit 1 ;; esac
"#,
        password.len()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_whose_redis_is_out_of_reach_is_verified_by_a_program_that_publishes() {
    let system = reference().await;
    let [websocket, ..] = authorities(&system);
    let profile = format!(
        "[websocket]\nurl = \"ws://{websocket}\"\n[backplane]\npublish = [\"bash\", \"publish.sh\", \"{{channel}}\"]\n{}",
        token_of(&system)
    );
    let script = publish_script(&system);
    let filters = ["notifications/delivery", "notifications/connections"];
    let verified = verify(&profile, &[("publish.sh", &script)], &filters).await;
    assert_eq!(verified.status, 0, "{verified:?}");
    assert!(
        verified.printed.contains(" passed, 0 failed"),
        "{verified:?}"
    );

    let script = script.replace(&system.redis_password, "hush");
    let verified = verify(&profile, &[("publish.sh", &script)], &filters).await;
    verified.is_one_message(
        "`publish` of [backplane] in p.toml failed: bash: exit status: 1: -WRONGPASS",
    );
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_with_errors_of_another_shape_is_judged_on_status_and_on_having_a_code() {
    let system = reference().await;
    let [_, gateway, _] = authorities(&system);
    let paths = dialect::Paths::default();
    let port = dialect::serve(gateway, paths.clone()).await;
    let profile = |errors: &str| {
        format!(
            "[redis]\nurl = \"{}\"\n[gateway]\nurl = \"http://127.0.0.1:{port}\"\nlegacy_path = \"/old/{{client_id}}\"\n\
             {errors}\n{}",
            system.redis().unwrap().url(),
            token_of(&system)
        )
    };
    for errors in [
        "error.code = \"/detail/type\"",
        "error.code = \"/detail/type\"\nerror.message = \"/detail/text\"\nerror.correlation_id = \"/trace\"",
    ] {
        let verified = verify(&profile(errors), &[], &[]).await;
        assert_eq!(verified.status, 0, "{verified:?}");
        assert!(verified.said.contains("gateway/legacy"), "{verified:?}");
    }
    let asked = paths.all();
    assert!(
        asked.iter().any(|path| path.starts_with("/old/")),
        "{asked:?}"
    );
    assert!(!asked.iter().any(|path| path.contains("/ws/")), "{asked:?}");

    let one = ["gateway/classes/token_missing_get"];
    let verified = verify(&profile("error.code = \"/detail/code\""), &[], &one).await;
    assert_eq!(verified.status, 1, "{verified:?}");
    let sentence =
        "the answer is no error with a code at /detail/code, as the profile has it: {\"detail\":";
    assert!(verified.printed.contains(sentence), "{verified:?}");
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_system_with_the_legacy_endpoint_says_the_same_as_the_new_one() {
    let system = reference().await;
    let [websocket, ..] = authorities(&system);
    let requests = legacy::Requests::default();
    let port = legacy::serve(websocket.clone(), requests.clone()).await;
    let profile = |at: &str, keys: &str| {
        let redis = system.redis().unwrap().url();
        let rest = format!("{keys}{}", token_of(&system));
        of_websocket(&format!("ws://{at}"), "/healthz", redis, &rest)
    };
    let legacy = "path = \"/ws/v1/status/{user_id}\"\ntoken_in = \"header\"\n";
    let old = profile(&format!("127.0.0.1:{port}"), legacy);
    let new = profile(&websocket, "");
    let filters = ["notifications/events", "notifications/tokens/none"];
    let compared = compare(&old, &new, &filters).await;
    assert_eq!(compared.status, 0, "{compared:?}");
    let lines: Vec<&str> = compared.printed.lines().filter(|l| !l.is_empty()).collect();
    let [same] = lines.as_slice() else {
        panic!("all should be the same: {compared:#?}");
    };
    let sentence = "the same for clients, and as the contract says";
    assert!(same.ends_with(sentence), "{compared:?}");

    let requests = requests.all();
    let asks = |line: &str| line.starts_with("GET /ws/v1/status/") && !line.contains("token");
    let upgrades = requests.iter().filter(|request| asks(&request[0]));
    let with_token = |request: &&Vec<String>| {
        let mut fields = request.iter();
        fields.any(|field| field.to_lowercase().starts_with("authorization: bearer ey"))
    };
    let (good, missing): (Vec<_>, Vec<_>) = upgrades.partition(with_token);
    assert!(good.len() > 10, "{requests:#?}");
    assert_eq!(missing.len(), 1, "{requests:#?}");
    assert!(
        !requests.iter().any(|r| r[0].starts_with("GET /ws?")),
        "{requests:#?}"
    );

    let verified = verify(&profile(&format!("127.0.0.1:{port}"), ""), &[], &filters).await;
    verified.is_one_message(
        "the websocket service does not upgrade a connection with a good token: probe/1 should have got 101 and got 404; \
         check `url`, `path` and `token_in` of [websocket] in the profile",
    );
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_believed_is_told() {
    let (authority, another) = (tls::Authority::new(), tls::Authority::new());
    let port = authority.serve("127.0.0.1:1".to_owned()).await;
    let url = format!("wss://localhost:{port}");
    let profile = of_websocket(&url, "/healthz", "redis://127.0.0.1:1", &any_secret());
    let profile = format!("ca_file = \"ca.pem\"\n{profile}");
    let verified = verify(&profile, &[("ca.pem", &another.pem())], &[]).await;
    verified.is_one_message(&format!(
        "websocket-service cannot be used: {url} has a certificate of an authority that this machine does not know: \
         name the authority's certificate as `ca_file` in the profile; check `url` and `ready` in p.toml"
    ));
}

#[rstest]
#[case::http_behind_https(
    "https",
    "api-gateway cannot be used: https://URL does not answer in TLS: its url should begin with http://; check `url` and \
     `ready` in p.toml"
)]
#[case::tls_behind_http(
    "http",
    "api-gateway cannot be used: http://URL speaks TLS: its url begins with https://; check `url` and `ready` in p.toml"
)]
#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_one_of_two_schemes_is_told(#[case] scheme: &str, #[case] message: &str) {
    let behind = Fake::Status500.serve().await;
    let port = match scheme {
        "https" => behind,
        _ => {
            let authority = tls::Authority::new();
            authority.serve(format!("127.0.0.1:{behind}")).await
        }
    };
    let at = format!("localhost:{port}");
    let profile = format!(
        "[redis]\nurl = \"redis://127.0.0.1:1\"\n[gateway]\nurl = \"{scheme}://{at}\"\n{}",
        any_secret()
    );
    let verified = verify(&profile, &[], &[]).await;
    verified.is_one_message(&message.replace("URL", &at));
}

#[rstest]
#[case::nobody_there(
    Fake::Nobody,
    "websocket-service cannot be used: ws://URL cannot be reached: Connection refused"
)]
#[case::answers_500(
    Fake::Status500,
    "the websocket service does not upgrade a connection with a good token: probe/1 should have got 101 and got 500; \
     check `url`, `path` and `token_in` of [websocket] in the profile"
)]
#[case::closes_at_once(
    Fake::Closes,
    "the websocket service does not upgrade a connection with a good token: the answer to the upgrade of \
     /ws?token=<token:probe> is no handshake: connection closed before message completed; check `url`, `path` and `token_in` \
     of [websocket] in the profile"
)]
#[case::garbage(
    Fake::Garbage,
    "the websocket service does not upgrade a connection with a good token: the answer to the upgrade of \
     /ws?token=<token:probe> is no handshake: invalid HTTP version parsed; check `url`, `path` and `token_in` of [websocket] in the profile"
)]
#[case::never_answers(
    Fake::Silent,
    "the websocket service does not upgrade a connection with a good token: no answer to the upgrade in 20 s; \
     check `url`, `path` and `token_in` of [websocket] in the profile"
)]
#[case::garbage_after_101(
    Fake::UpgradesThenGarbage,
    "the websocket service does not keep a good connection: probe/1 lost its connection: the connection failed: WebSocket protocol error: Encountered \
     invalid opcode: 15; check `url`, `path` and `token_in` of [websocket] in the profile"
)]
#[case::sends_nothing_after_101(
    Fake::UpgradesThenSilent,
    "the websocket service takes a good connection, and nothing that is published reaches it; check that [redis] of the \
     profile is the Redis that it listens to, and [backplane] its channel"
)]
#[case::closes_after_101(
    Fake::UpgradesThenCloses,
    "the websocket service does not keep a good connection: probe/1 lost its connection: the connection is lost, without a close: WebSocket protocol error: Connection \
     reset without closing handshake; check `url`, `path` and `token_in` of [websocket] in the profile"
)]
#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_service_that_is_none_is_told(#[case] fake: Fake, #[case] message: &str) {
    let redis = RedisServer::start().await.unwrap();
    let at = format!("127.0.0.1:{}", fake.serve().await);
    let profile = of_websocket(&format!("ws://{at}"), "tcp", redis.url(), &any_secret());
    let verified = verify(&profile, &[], &[]).await;
    verified.is_one_message(&message.replace("URL", &at));
}

#[rstest]
#[case::nobody_there(Fake::Nobody, "redis://URL cannot be reached: Connection refused")]
#[case::is_http(
    Fake::Status500,
    "what answers at redis://URL is no Redis; check [redis] in p.toml"
)]
#[case::never_answers(
    Fake::Silent,
    "redis://URL gives a Redis client no answer in 10 s; check [redis] in p.toml"
)]
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_none_is_told(#[case] fake: Fake, #[case] message: &str) {
    let websocket = Fake::Status500.serve().await;
    let at = format!("127.0.0.1:{}", fake.serve().await);
    let redis = format!("redis://:hush@{at}");
    let profile = of_websocket(
        &format!("ws://127.0.0.1:{websocket}"),
        "tcp",
        &redis,
        &any_secret(),
    );
    let verified = verify(&profile, &[], &[]).await;
    verified.is_one_message(&message.replace("URL", &at));
    assert!(!verified.said.contains("hush"), "{verified:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_wants_another_password_is_told() {
    let system = reference().await;
    let [websocket, _, redis] = authorities(&system);
    let (websocket, redis) = (format!("ws://{websocket}"), format!("redis://{redis}"));
    let wrong = redis.replace("redis://", "redis://:hush@");
    for (url, words) in [
        (&redis, "asks for a password, and its url has none"),
        (&wrong, "refuses the user or the password of its url"),
    ] {
        let profile = of_websocket(&websocket, "/healthz", url, &token_of(&system));
        let verified = verify(&profile, &[], &[]).await;
        verified.is_one_message(&format!("{redis} {words}; check [redis] in p.toml"));
        assert!(!verified.said.contains("hush"), "{verified:?}");
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_does_not_match_is_told() {
    let system = reference().await;
    let [websocket, gateway, _] = authorities(&system);
    let redis = system.redis().unwrap();
    let advice = "check that it has the secret or key, the issuer, the audience and the algorithm of [token] in the \
                  profile";

    let profile = of_websocket(
        &format!("ws://{websocket}"),
        "/healthz",
        redis.url(),
        &any_secret(),
    );
    let verified = verify(&profile, &[], &[]).await;
    let refuses = "the websocket service refuses a good token: probe/1 was closed by the server with 1008 \
                   {\"error_code\":\"AUTHENTICATION_ERROR\",\"message\":\"bad signature\",";
    verified.is_one_message(refuses);
    assert!(verified.said.contains(advice), "{verified:?}");

    let profile = format!(
        "[redis]\nurl = \"{}\"\n[gateway]\nurl = \"http://{gateway}\"\n{}",
        redis.url(),
        any_secret()
    );
    let verified = verify(&profile, &[], &[]).await;
    verified.is_one_message(&format!(
        "api-gateway refuses a good token: GET http://{gateway}/v1/batches/0.0/status gave 401 "
    ));
    assert!(verified.said.contains(advice), "{verified:?}");
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_service_is_verified_beside_a_gateway_that_takes_no_token() {
    let (system, another) = tokio::join!(reference(), reference());
    let [websocket, ..] = authorities(&system);
    let [_, gateway, _] = authorities(&another);
    let profile = format!(
        "{}[gateway]\nurl = \"http://{gateway}\"\n",
        of_websocket(
            &format!("ws://{websocket}"),
            "/healthz",
            system.redis().unwrap().url(),
            &token_of(&system),
        )
    );
    let filters = ["notifications/delivery", "gateway/legacy"];
    let verified = verify(&profile, &[], &filters).await;
    assert_eq!(verified.status, 2, "{verified:?}");
    let lines: Vec<&str> = verified.said.lines().collect();
    let played = |scenario: &str, verdict: &str| {
        let mut of = lines.iter().filter(|line| line.contains(scenario));
        of.clone().count() > 0 && of.all(|line| line.contains(verdict))
    };
    assert!(played("notifications/delivery", " kept "), "{verified:#?}");
    assert!(!played("gateway/legacy", " kept "), "{verified:#?}");
    let words = "api-gateway refuses a good token: ";
    assert!(verified.printed.contains(words), "{verified:#?}");
    system.stop().await;
    another.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_alone_needs_no_redis() {
    let system = reference().await;
    let [_, gateway, _] = authorities(&system);
    let profile = format!(
        "[gateway]\nurl = \"http://{gateway}\"\n{}",
        token_of(&system)
    );
    let verified = verify(&profile, &[], &[]).await;
    assert_eq!(verified.status, 0, "{verified:?}");
    assert!(
        verified.printed.contains(" passed, 0 failed"),
        "{verified:?}"
    );
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_of_another_part_is_told() {
    let system = reference().await;
    let [_, gateway, redis] = authorities(&system);
    let token = token_of(&system);

    let profile = of_websocket(
        &format!("ws://{redis}"),
        "/healthz",
        system.redis().unwrap().url(),
        &token,
    );
    let verified = verify(&profile, &[], &[]).await;
    verified.is_one_message(&format!(
        "websocket-service cannot be used: GET ws://{redis}/healthz should answer 200 and gave no HTTP response: "
    ));

    let profile = of_websocket(
        &format!("ws://{gateway}"),
        "/healthz",
        system.redis().unwrap().url(),
        &token,
    );
    let verified = verify(&profile, &[], &[]).await;
    verified.is_one_message(
        "the websocket service does not upgrade a connection with a good token: probe/1 should have got 101 and got 404; \
         check `url`, `path` and `token_in` of [websocket] in the profile",
    );
    system.stop().await;
}
