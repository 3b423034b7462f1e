//! The services' programs, built by cargo: never stale, and quick when nothing changed.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::StartError;

/// The programs of the reference services on this machine.
pub(super) struct Binaries {
    pub websocket_service: PathBuf,
    pub api_gateway: PathBuf,
}

/// Builds the two programs and says where they are. Cargo's own messages go to standard error when it fails.
pub(super) async fn build() -> Result<Binaries, StartError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--package", "notification-services", "--bins"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(crate::workspace())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| {
            StartError(format!(
                "failed to run cargo to build the services: {error}"
            ))
        })?;
    if !output.status.success() {
        return Err(StartError(format!(
            "the services do not build:\n{}",
            String::from_utf8_lossy(&output.stderr)
        )));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    Ok(Binaries {
        websocket_service: executable(&messages, "websocket-service")?,
        api_gateway: executable(&messages, "api-gateway")?,
    })
}

/// The path that cargo's messages give for the binary `name`.
fn executable(messages: &str, name: &str) -> Result<PathBuf, StartError> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| {
            message["executable"]
                .as_str()
                .map(|path| Path::new(path).to_owned())
        })
        .ok_or_else(|| StartError(format!("cargo built no program named {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_program_is_read_from_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"lib"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"api-gateway"},"executable":"/t/api-gateway"}"#;
        assert_eq!(
            executable(messages, "api-gateway").unwrap(),
            Path::new("/t/api-gateway")
        );
        assert_eq!(
            executable(messages, "websocket-service")
                .unwrap_err()
                .to_string(),
            "the system did not start: cargo built no program named websocket-service"
        );
    }
}
