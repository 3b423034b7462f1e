//! Services verified from their images, as somebody else's are: the images are the reference's own, named in a profile.

mod support;

use std::fs;

use harness::profile::Profile;
use harness::system::{Part, Runtime, Stock};
use rstest::rstest;
use support::verify;

/// The reference's profile with `image` for its websocket service.
fn profile(image: &str) -> String {
    let path = harness::data::checkout()
        .unwrap()
        .join("harness/profiles/reference.toml");
    let reference = fs::read_to_string(path).unwrap();
    reference.replace(
        "\n[websocket]\n",
        &format!("\n[websocket]\nimage = \"{image}\"\n"),
    )
}

fn without_gateway(profile: &str) -> String {
    let (before, rest) = profile.split_once("\n[gateway]\n").unwrap();
    let (_, after) = rest.split_once("\n[token]\n").unwrap();
    format!("{before}\n[token]\n{after}")
}

/// The websocket service's image; none where there is no engine to have one.
async fn image() -> Option<String> {
    let reference = Profile::reference().unwrap();
    match Stock::prepare(reference, Some(Runtime::Containers), &|_| {}).await {
        Ok(stock) => stock.image(Part::WebsocketService),
        Err(error) if error.0.starts_with("no container engine answers") => {
            println!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[rstest]
#[case::alone(
    without_gateway,
    &["notifications/delivery", "notifications/operation", "resilience/liveness", "resilience/shutdown"],
    "(in containers: redis, websocket-service)"
)]
#[case::beside_our_own_gateway(
    str::to_owned,
    &["notifications/tokens", "gateway/end-to-end", "resilience/backplane", "resilience/shutdown"],
    "(in containers: redis, websocket-service, api-gateway)"
)]
#[tokio::test]
async fn a_websocket_service_is_verified_from_its_image(
    #[case] parts: fn(&str) -> String,
    #[case] filters: &[&str],
    #[case] places: &str,
) {
    let Some(image) = image().await else { return };
    let verified = verify(&parts(&profile(&image)), filters, |command| {
        command.env_remove("HARNESS_RUNTIME")
    });
    assert_eq!(verified.status, Some(0), "{}", verified.said);
    for words in [places, " passed, 0 failed"] {
        assert!(verified.said.contains(words), "{}", verified.said);
    }
}
