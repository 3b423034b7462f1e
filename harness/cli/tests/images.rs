//! Services verified from their images, as somebody else's are: the images are the reference's own, named in a profile.

use std::fs;
use std::process::Command;

use harness::profile::Profile;
use harness::system::{Part, Runtime, Stock};
use rstest::rstest;

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
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.toml");
    fs::write(&path, parts(&profile(&image))).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_notifications"))
        .args(["verify", "--system"])
        .arg(&path)
        .arg("--report")
        .arg(folder.path())
        .args(filters)
        .env_remove("HARNESS_RUNTIME")
        .output()
        .unwrap();
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains(places), "{said}");
    assert!(said.contains(" passed, 0 failed"), "{said}");
}
