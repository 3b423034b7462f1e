//! A stable port of this machine, and of this machine only.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr};

use harness::system::StartError;
use tokio::net::TcpListener;

/// A port of loopback on which somebody listens.
#[derive(Debug)]
pub struct Door {
    port: u16,
    /// One for each family that the machine has: for a browser, `localhost` may be either.
    pub listeners: Vec<TcpListener>,
}

impl Door {
    /// Listens on `port` for `what`; 0 is any free one. `option` is how a person moves it.
    pub async fn open(what: &str, port: u16, option: &str) -> Result<Self, StartError> {
        let trouble = |error: io::Error| {
            let reason = match error.kind() {
                ErrorKind::AddrInUse => "is in use".to_owned(),
                _ => format!("cannot be listened on ({error})"),
            };
            StartError(format!(
                "port {port}, which {what} needs, {reason}: end what listens there, or choose another port with {option}"
            ))
        };
        let fourth = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let fourth = fourth.map_err(trouble)?;
        let opened = fourth.local_addr().map_err(trouble)?.port();
        let mut listeners = vec![fourth];
        match TcpListener::bind((Ipv6Addr::LOCALHOST, opened)).await {
            Ok(sixth) => listeners.push(sixth),
            Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(trouble(error)),
            // The machine has no IPv6.
            Err(_) => {}
        }
        Ok(Self {
            port: opened,
            listeners,
        })
    }

    /// Where it is.
    pub fn port(&self) -> u16 {
        self.port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_told_in_one_message_with_what_to_do() {
        let first = Door::open("the page", 0, "--port").await.unwrap();
        let second = Door::open("the page", first.port(), "--port").await;
        let expected = format!(
            "the system did not start: port {}, which the page needs, is in use: end what listens there, \
             or choose another port with --port",
            first.port()
        );
        assert_eq!(second.unwrap_err().to_string(), expected);
    }
}
