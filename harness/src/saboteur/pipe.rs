//! A connection carried on as it is: each byte, the end of each side, and a reset.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// How much is carried at once. Little, so that who does not read is felt on the other side.
const PIECE: usize = 16 * 1024;

/// Carries on between `client` and `service` until both sides have ended, or one was reset.
pub(super) async fn pipe(client: TcpStream, service: TcpStream) {
    let (mut client_in, mut client_out) = client.into_split();
    let (mut service_in, mut service_out) = service.into_split();
    let carried = tokio::try_join!(
        carry(&mut client_in, &mut service_out),
        carry(&mut service_in, &mut client_out),
    );
    if !matches!(carried, Ok((End::Whole, End::Whole))) {
        // Whichever side is still there learns it as it would have without anybody between.
        reset(client_out);
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

/// How a direction ended that was not reset.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// All was carried.
    Whole,
    /// The reader went. What it may have written before is for the other direction.
    Unread,
}

/// Carries one direction to its end; an error is the writer's reset.
async fn carry(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) -> io::Result<End> {
    let mut piece = vec![0; PIECE];
    loop {
        let count = from.read(&mut piece).await?;
        let written = match count {
            0 => to.shutdown().await,
            count => to.write_all(&piece[..count]).await,
        };
        match written {
            Err(_) => return Ok(End::Unread),
            Ok(()) if count == 0 => return Ok(End::Whole),
            Ok(()) => {}
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
        let mut came = [0; 7];
        client.read_exact(&mut came).await.unwrap();
        let (_, service) = service.into_split();
        reset(service);
        let error = client.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
