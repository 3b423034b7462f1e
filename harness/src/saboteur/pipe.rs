//! A connection carried on as it is: each byte, the end of each side, and a reset.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// How much is carried at once. Little, so that who does not read is felt on the other side.
const PIECE: usize = 16 * 1024;

/// Carries on between `client` and `service` until both sides have ended, or the client was reset.
pub(super) async fn pipe(client: TcpStream, service: TcpStream) {
    let (mut client_in, mut client_out) = client.into_split();
    let (mut service_in, mut service_out) = service.into_split();
    let up = carry(&mut client_in, &mut service_out);
    let down = async {
        // A service's reset is an end like any other: a reset would take from the client what is on its way to it.
        if carry(&mut service_in, &mut client_out).await.is_err() {
            let _ = client_out.shutdown().await;
        }
        Ok(())
    };
    if tokio::try_join!(up, down).is_err() {
        // The service learns it as it would have without anybody between.
        reset(service_out);
    }
}

/// The end of the connection is a reset, once its other half is dropped.
pub(super) fn reset(half: OwnedWriteHalf) {
    // One that has ended already cannot be reset, and need not.
    let _ = half.as_ref().set_zero_linger();
    // A half that is dropped otherwise ends its direction in order, first.
    half.forget();
}

/// Carries one direction to its end; an error is the writer's reset. What a reader that has gone does not take is dropped:
/// what it has said before is for the other direction.
async fn carry(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let count = from.read(&mut piece).await?;
        let _ = match count {
            0 => to.shutdown().await,
            count => to.write_all(&piece[..count]).await,
        };
        if count == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// The two ends of a piped connection.
    async fn piped() -> (TcpStream, TcpStream) {
        let (front, back) = (listener().await, listener().await);
        let client = TcpStream::connect(front.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, front.accept());
        let inner = TcpStream::connect(back.local_addr().unwrap());
        let (inner, service) = tokio::join!(inner, back.accept());
        tokio::spawn(pipe(accepted.unwrap().0, inner.unwrap()));
        (client.unwrap(), service.unwrap().0)
    }

    async fn listener() -> TcpListener {
        TcpListener::bind(("127.0.0.1", 0)).await.unwrap()
    }

    #[tokio::test]
    async fn each_side_ends_by_itself() {
        let (mut client, mut service) = piped().await;
        client.write_all(b"all").await.unwrap();
        client.shutdown().await.unwrap();
        let mut came = String::new();
        service.read_to_string(&mut came).await.unwrap();
        assert_eq!(came, "all");
        service.write_all(b"answered").await.unwrap();
        drop(service);
        came.clear();
        client.read_to_string(&mut came).await.unwrap();
        assert_eq!(came, "answered");
    }

    #[tokio::test]
    async fn a_reset_is_carried_on() {
        let (client, mut service) = piped().await;
        let (_, client) = client.into_split();
        reset(client);
        let error = service.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn what_was_said_before_a_reset_arrives() {
        let (mut client, mut service) = piped().await;
        service.write_all(b"goodbye").await.unwrap();
        // It is on its way: the pipe has it, and nobody else.
        let mut came = [0; 1];
        client.read_exact(&mut came).await.unwrap();
        let (_, service) = service.into_split();
        reset(service);
        let mut rest = String::new();
        client.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "oodbye");
    }
}
