//! The services' programs, built by cargo: never stale, and quick when nothing changed.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use super::StartError;
use crate::data;

/// The programs of the reference services on this machine.
pub(super) struct Binaries {
    pub websocket_service: PathBuf,
    pub api_gateway: PathBuf,
}

/// Builds the two programs, quickly or optimized, and says where they are; `say` gets what cargo says while it has something
/// to do.
pub(super) async fn build(
    optimized: bool,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Binaries, StartError> {
    let checkout = data::checkout()
        .ok_or_else(|| StartError("no reference service is here to be started".to_owned()))?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let failed = |error: std::io::Error| {
        StartError(format!(
            "failed to run cargo to build the services: {error}"
        ))
    };
    let mut child = Command::new(cargo)
        .args(["build", "--package", "notification-services"])
        .args(match optimized {
            true => ["--profile", "release"],
            // Together with the command line, whose dependencies have then the same features and are not built twice.
            false => ["--package", "harness-cli"],
        })
        .args(["--bin", "websocket-service", "--bin", "api-gateway"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(checkout)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let mut messages = String::new();
    let mut said = String::new();
    if let (Some(mut stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
        let mut lines = BufReader::new(stderr).lines();
        let relay = async {
            while let Some(line) = lines.next_line().await? {
                if ["Compiling", "Blocking", "Downloading"]
                    .iter()
                    .any(|word| line.trim().starts_with(word))
                {
                    say(&line);
                }
                said.push_str(&line);
                said.push('\n');
            }
            Ok(())
        };
        tokio::try_join!(relay, stdout.read_to_string(&mut messages)).map_err(failed)?;
    }
    if !child.wait().await.map_err(failed)?.success() {
        return Err(StartError(format!("the services do not build:\n{said}")));
    }
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
