//! A load on services that do one thing wrong: each is in the account, as what it is.

mod fake;

use std::time::Duration;

use harness::profile::Profile;
use harness::system::{RedisServer, Runtime};
use load::live::Live;
use load::report::{Measured, Report, Role};
use load::run::{self, Program};
use load::threshold::Thresholds;
use load::workload::{Pace, Workload};
use rstest::rstest;

use fake::Deed;

/// Three users with two connections each, and five messages to each of them in two bursts.
fn workload() -> Workload {
    Workload {
        users: 3,
        per_user: 2,
        fan_out: 3,
        burst: 5,
        pace: Pace::PerSecond(150.0),
        duration: Duration::from_millis(200),
        rounds: 1,
        ..Workload::paced()
    }
}

/// The load on a service that does `deed`, beside a bare subscriber and the raw relay.
async fn play(deed: Deed, workload: Workload, thresholds: Option<&str>) -> Report {
    let redis = RedisServer::start().await.unwrap();
    let port = fake::serve(deed, redis.url()).await;
    let subscribe = match deed {
        Deed::Enveloped => {
            "subscribe = { send = \"about {channel}\", message = \"/about/message\" }\n"
        }
        _ => "",
    };
    let text = format!(
        "[redis]\nurl = \"{}\"\n[websocket]\nurl = \"ws://127.0.0.1:{port}\"\nready = \"tcp\"\n{subscribe}\
         [token]\nissuer = \"i\"\naudience = \"a\"\nsecret = \"any\"\n",
        redis.url()
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.toml");
    std::fs::write(&file, text).unwrap();
    let program = Program {
        system: Profile::of_file(&file).unwrap(),
        others: Vec::new(),
        runtime: Some(Runtime::Processes),
        workloads: vec![workload],
        baselines: vec![Role::Direct, Role::RawRelay],
        thresholds: thresholds.map(|text| Thresholds::parse("t.toml", text).unwrap()),
    };
    let report = run::play(program, &Live::default(), &|_| {}).await.unwrap();
    redis.stop().await;
    report
}

fn account(target: &Measured) -> String {
    let damaged = target.account.damaged;
    let ended: Vec<String> = (target.ended.iter())
        .map(|(code, count)| format!("; {count} ended with {code}"))
        .collect();
    format!(
        "{}, {damaged} damaged{}",
        target.account.totals(),
        ended.concat()
    )
}

/// Each of the six connections is promised a message before the load, ten of it, and two in the end.
#[rstest]
#[case::well(
    Deed::Nothing,
    "78 delivered once, 0 duplicated, 0 reordered, 0 lost silently, 0 lost with notice, 0 leaked, 0 damaged"
)]
#[case::in_pieces(
    Deed::Pieces,
    "78 delivered once, 0 duplicated, 0 reordered, 0 lost silently, 0 lost with notice, 0 leaked, 0 damaged"
)]
#[case::enveloped(
    Deed::Enveloped,
    "78 delivered once, 0 duplicated, 0 reordered, 0 lost silently, 0 lost with notice, 0 leaked, 0 damaged"
)]
#[case::twice(
    Deed::Twice,
    "72 delivered once, 6 duplicated, 0 reordered, 0 lost silently, 0 lost with notice, 0 leaked, 0 damaged"
)]
#[case::late(
    Deed::Late,
    "72 delivered once, 0 duplicated, 6 reordered, 0 lost silently, 0 lost with notice, 0 leaked, 0 damaged"
)]
#[case::leaked(
    Deed::Leaked,
    "78 delivered once, 0 duplicated, 0 reordered, 0 lost silently, 0 lost with notice, 12 leaked, 0 damaged"
)]
#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_a_message_is_in_the_account(#[case] deed: Deed, #[case] words: &str) {
    let report = play(deed, workload(), None).await;
    let [played] = &report.workloads[..] else {
        panic!("{report:?}");
    };
    assert_eq!(account(&played.targets[0]), words);
    assert_eq!(
        report.kept,
        matches!(deed, Deed::Nothing | Deed::Pieces | Deed::Enveloped)
    );
    assert!(played.complete);
    for baseline in &played.targets[1..] {
        assert!(baseline.account.is_clean(), "{baseline:?}");
        assert!(baseline.figures.p50_us.is_some(), "{baseline:?}");
    }
    // The service is none that was started here.
    let system = &played.targets[0];
    assert_eq!(system.figures.cpu_seconds_per_100000_deliveries, None);
    assert!(system.unseen.is_some());
}

/// The third message of a connection is the second of a first burst of five of two, and the fourth that it is promised.
#[rstest]
#[case::never(
    Deed::Never,
    "60 delivered once, 0 duplicated, 0 reordered, 6 lost silently, 0 lost with notice, 0 leaked, 0 damaged"
)]
#[case::changed(
    Deed::Changed,
    "60 delivered once, 0 duplicated, 0 reordered, 6 lost silently, 0 lost with notice, 0 leaked, 6 damaged"
)]
#[case::closed(
    Deed::Closed(1013),
    "18 delivered once, 0 duplicated, 0 reordered, 0 lost silently, 18 lost with notice, 0 leaked, 0 damaged; 6 ended with 1013"
)]
#[case::closed_without_sense(
    Deed::Closed(4999),
    "18 delivered once, 0 duplicated, 0 reordered, 18 lost silently, 0 lost with notice, 0 leaked, 0 damaged; 6 ended with 4999"
)]
#[case::ended(
    Deed::Ended,
    "18 delivered once, 0 duplicated, 0 reordered, 0 lost silently, 18 lost with notice, 0 leaked, 0 damaged; 6 ended with none"
)]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_is_lost_with_notice_or_without(#[case] deed: Deed, #[case] words: &str) {
    let rules = "require = [\"loss = 0\", \"loss_with_notice < 18\"]";
    let report = play(deed, workload(), Some(rules)).await;
    let system = &report.workloads[0].targets[0];
    assert_eq!(account(system), words);
    let (silent, noticed) = (
        system.account.lost_silently,
        system.account.lost_with_notice,
    );
    let met: Vec<bool> = report.thresholds.iter().map(|rule| rule.met).collect();
    assert_eq!(met, [silent == 0, noticed < 18], "{:?}", report.thresholds);
    assert!(!report.kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn as_much_as_is_delivered_is_published_where_there_is_no_rate() {
    let workload = Workload {
        pace: Pace::Maximum,
        ..workload()
    };
    let report = play(Deed::Nothing, workload, Some("require = [\"loss = 0\"]")).await;
    let played = &report.workloads[0];
    let roles: Vec<Role> = played.targets.iter().map(|target| target.role).collect();
    assert_eq!(roles, [Role::System, Role::RawRelay]);
    for target in &played.targets {
        // More than a window: the loop went round.
        assert!(target.account.delivered > 1000, "{target:?}");
        assert!(target.account.is_clean(), "{target:?}");
        assert_eq!(target.figures.p99_us, None);
        assert!(target.figures.deliveries_per_second.is_some());
    }
    assert!(
        played.targets[1]
            .figures
            .cpu_seconds_per_100000_deliveries
            .is_some()
    );
    assert!(report.kept);
}
