//! What is done to a target, and what it cost.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::{JoinSet, spawn_blocking};

use super::audience::Audience;
use super::process::{Process, cpu};
use super::publisher::{self, Publisher};
use super::target::Target;

/// Who gets messages, and how many at a time.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    /// As the table calls it.
    pub name: &'static str,
    /// The users, by number.
    pub users: (u64, u64),
    /// How many connections each of them has.
    pub connections: u64,
    /// How many messages a user gets one after the other.
    pub burst: u64,
    /// How many messages are published in a round.
    pub messages: u64,
    /// How many messages may be on their way.
    pub window: u64,
}

/// What a round cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// The target's CPU time for one delivery or handshake.
    pub cpu: Duration,
    /// How long one took, all of them together.
    pub time: Duration,
    /// How much of one core this process used.
    pub own_share: f64,
}

/// How many messages are published with one write.
const BATCH: u64 = 50;

/// How many clients connect at the same time.
const CONNECTING: usize = 64;

/// Publishes as fast as the target delivers.
pub async fn deliver(
    pattern: Pattern,
    (target, process): &(Target, Process),
    publisher: &mut Publisher,
    audience: &mut Audience,
) -> io::Result<Cost> {
    let meter = Meter::start(process.pid)?;
    let (first, last) = pattern.users;
    for number in 0..pattern.messages {
        let user = first + number / pattern.burst % (last - first);
        publisher.add(target, audience.next(user, pattern.connections));
        if (number + 1) % BATCH == 0 {
            publisher.send().await?;
            publisher.answered().await?;
            if !audience
                .caught_up(pattern.window * pattern.connections)
                .await
            {
                break;
            }
        }
    }
    audience.caught_up(0).await;
    audience.latencies(); // of messages that wait for one another
    meter.stop(pattern.messages * pattern.connections)
}

/// Publishes a message each millisecond, to one of `users` after the other; how long each took, and this process' share of a core.
///
/// From a thread of its own, as a backend is: on one thread with the clients, the answer to a PUBLISH would wake the
/// bare subscriber in time for its message, and nobody else.
pub async fn pace(
    users: impl Iterator<Item = u64>,
    redis: SocketAddr,
    target: &Target,
    audience: &mut Audience,
) -> io::Result<(Vec<Duration>, f64)> {
    let own = cpu("self")?;
    let began = Instant::now();
    let messages: Vec<_> = users
        .map(|user| (target.channel(user), audience.next(user, 1)))
        .collect();
    let zero = audience.began();
    spawn_blocking(move || publisher::pace(redis, messages, zero))
        .await
        .map_err(io::Error::other)??;
    audience.caught_up(0).await;
    let share = (cpu("self")? - own).as_secs_f64() / began.elapsed().as_secs_f64();
    Ok((audience.latencies(), share))
}

/// Opens a connection for each greeting, some at the same time.
pub async fn connect(
    target: &Target,
    pid: u32,
    greetings: Arc<Vec<Vec<u8>>>,
) -> io::Result<(Vec<(usize, TcpStream)>, Cost)> {
    let meter = Meter::start(pid)?;
    let next = Arc::new(AtomicUsize::new(0));
    let mut openers = JoinSet::new();
    for _ in 0..CONNECTING {
        let (target, greetings, next) = (target.clone(), greetings.clone(), next.clone());
        openers.spawn(async move {
            let mut opened = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(greeting) = greetings.get(number) else {
                    return Ok::<_, io::Error>(opened);
                };
                opened.push((number, target.open(greeting).await?));
            }
        });
    }
    let mut streams = Vec::with_capacity(greetings.len());
    while let Some(opened) = openers.join_next().await {
        streams.extend(opened.map_err(io::Error::other)??);
    }
    let cost = meter.stop(streams.len() as u64)?;
    Ok((streams, cost))
}

struct Meter {
    pid: u32,
    began: Instant,
    cpu: Duration,
    own: Duration,
}

impl Meter {
    fn start(pid: u32) -> io::Result<Self> {
        Ok(Self {
            pid,
            began: Instant::now(),
            cpu: cpu(&pid.to_string())?,
            own: cpu("self")?,
        })
    }

    fn stop(self, times: u64) -> io::Result<Cost> {
        let time = self.began.elapsed();
        let used = cpu(&self.pid.to_string())? - self.cpu;
        let own = cpu("self")? - self.own;
        let times = u32::try_from(times.max(1)).map_err(io::Error::other)?;
        Ok(Cost {
            cpu: used / times,
            time: time / times,
            own_share: own.as_secs_f64() / time.as_secs_f64(),
        })
    }
}
