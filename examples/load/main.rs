//! How fast the websocket service is, beside a raw relay and a bare Redis subscriber on the same Redis:
//!
//! ```text
//! cargo run --release --example load
//! ```
//!
//! Every message is accounted for: exit status 1 if one was lost, duplicated, reordered or damaged, 2 if nothing
//! could be measured. Logs of the service are at their default level and go to `/dev/null`.

use std::env;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use self::audience::Audience;
use self::bench::{Bench, FAN_OUT_CONNECTIONS, FAN_OUT_USERS, USERS};
use self::ledger::Faults;
use self::table::{Row, table};
use self::workload::Pattern;

mod audience;
mod bench;
mod ledger;
mod message;
mod process;
mod publisher;
mod relay;
mod table;
mod target;
mod workload;

const PATTERNS: [(Pattern, f64); 3] = [
    (
        Pattern {
            name: "spread: each to another of 1,000 users",
            users: (0, USERS),
            connections: 1,
            burst: 1,
            messages: 60_000,
            // So few that never two of them wait for the same user.
            window: USERS / 2,
        },
        1.25,
    ),
    (
        Pattern {
            name: "backlog: 50 at once to a user",
            users: (0, USERS),
            connections: 1,
            burst: 50,
            messages: 400_000,
            window: 2000,
        },
        0.3,
    ),
    (
        Pattern {
            name: "fan-out: 50 at once to a user's 5 connections",
            users: (USERS, USERS + FAN_OUT_USERS),
            connections: FAN_OUT_CONNECTIONS,
            burst: 50,
            messages: 60_000,
            window: 2000,
        },
        0.25,
    ),
];

/// How often everything is measured; an odd number, so that the median is one of them.
const ROUNDS: usize = 5;
const CONNECT_ROUNDS: usize = 3;

/// How many turns a target has in a round of latencies, and how many messages a turn has, one each millisecond.
const TURNS: u64 = 10;
const PACED: u64 = 200;

/// How many connections are opened at once.
const CONNECTIONS: usize = 10_000;

/// One thread, so that what it uses of a core can be told.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        [] => measure().await,
        ["relay", redis, listen] => relay(redis, listen).await,
        _ => Err(io::Error::other("it takes no arguments")),
    };
    match done {
        Ok(faults) if faults.none() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("failed to measure: {error}");
            ExitCode::from(2)
        }
    }
}

async fn relay(redis: &str, listen: &str) -> io::Result<Faults> {
    let address = |words: &str| words.parse::<SocketAddr>().map_err(io::Error::other);
    relay::run(address(redis)?, address(listen)?).await?;
    Ok(Faults::default())
}

async fn measure() -> io::Result<Faults> {
    if cfg!(debug_assertions) {
        return Err(io::Error::other("this is a debug build: add --release"));
    }
    let began = Instant::now();
    let mut bench = Bench::start().await?;
    let connections = affordable_connections()?;
    let mut rows = Vec::new();
    let mut faults = bench.connect(connections, &mut rows).await?;
    let mut audiences = bench.audiences(began).await?;
    bench.deliver(&mut audiences, &mut rows).await?;
    bench.pace(&mut audiences, &mut rows).await?;
    rows.rotate_left(3); // deliveries first

    println!("{}", table(&rows));
    let [subscriber, relay, service] = audiences;
    for (name, audience) in [("subscriber", &subscriber), ("relay", &relay)] {
        let balance = audience.balance();
        let received = audience.received();
        println!("{name}: {received} deliveries, {}", words(balance));
        faults = faults.and(balance);
    }
    let balance = service.balance();
    let received = service.received();
    println!("service: {received} deliveries, {}", words(balance));
    faults = faults.and(balance);
    for measure in rows.iter().filter_map(Row::limited_by_generator) {
        println!("the load generator had a core to itself and may be the limit of: {measure}");
    }
    println!("took {:.0} s", began.elapsed().as_secs_f64());
    bench.stop().await;
    Ok(faults)
}

fn words(faults: Faults) -> String {
    format!(
        "{} lost, {} duplicated, {} reordered, {} damaged",
        faults.lost, faults.duplicated, faults.reordered, faults.damaged
    )
}

/// As many as there are to be, or as the limit of open files allows.
fn affordable_connections() -> io::Result<usize> {
    let limit = process::open_files()?;
    let affordable = limit.saturating_sub(200);
    if affordable < CONNECTIONS {
        println!(
            "only {affordable} connections at once: `ulimit -n` is {limit}, and 10,200 are needed"
        );
    }
    if affordable < 2 * (USERS + FAN_OUT_USERS * FAN_OUT_CONNECTIONS) as usize {
        return Err(io::Error::other("`ulimit -n` is too low: 4,200 are needed"));
    }
    Ok(affordable.min(CONNECTIONS))
}

impl Bench {
    /// Handshakes per second, and what a connection takes of the memory.
    async fn connect(&mut self, connections: usize, rows: &mut Vec<Row>) -> io::Result<Faults> {
        let mut rate = Row::new(
            "handshakes",
            "/s",
            "relay",
            table::Target::AtLeast(10_000.0),
        );
        let mut cost = Row::new("CPU of a handshake", "µs", "relay", table::Target::None);
        let mut memory = Row::new(
            format!("memory of an idle connection, of {connections}"),
            "KiB",
            "",
            table::Target::AtMost(8.0),
        );
        let mut faults = Faults::default();
        let (service, relay) = (self.service.0.clone(), self.relay.0.clone());
        let tokens = Arc::new(
            (0..connections as u64)
                .map(|user| service.greeting(user))
                .collect(),
        );
        let lines = Arc::new(vec![b"\n".to_vec(); connections]);
        for round in 0..CONNECT_ROUNDS {
            let pid = self.relay.1.pid;
            let (streams, of_relay) = workload::connect(&relay, pid, Arc::clone(&lines)).await?;
            close(streams.into_iter().map(|(_, stream)| stream));

            let pid = self.service.1.pid;
            self.until_nobody(&service).await?;
            let before = process::resident(pid)?;
            let (streams, of_service) =
                workload::connect(&service, pid, Arc::clone(&tokens)).await?;
            let mut audience = Audience::new(Instant::now());
            for (user, stream) in streams {
                audience.add(stream, service.wire.clone(), [user as u64]);
            }
            // Everybody is subscribed, and nothing that a message needs is left behind.
            for user in 0..connections as u64 {
                self.publisher.add(&service, audience.next(user, 1));
                if user % 100 == 99 {
                    self.publisher.send().await?;
                    self.publisher.answered().await?;
                }
            }
            self.publisher.send().await?;
            self.publisher.answered().await?;
            audience.caught_up(0).await;
            if round == 0 {
                // Later, what earlier connections left would be used again.
                let resident = process::resident(pid)? - before;
                memory.round(resident / connections as f64, 0.0, 0.0);
            }
            faults = faults.and(audience.balance());
            drop(audience);
            self.until_nobody(&service).await?;

            let per_second = |cost: workload::Cost| 1.0 / cost.time.as_secs_f64();
            let share = of_service.own_share;
            rate.round(per_second(of_service), per_second(of_relay), share);
            cost.round(micros(of_service.cpu), micros(of_relay.cpu), share);
        }
        rows.extend([rate, cost, memory]);
        Ok(faults)
    }

    /// The CPU time of a delivery.
    async fn deliver(
        &mut self,
        [_, relay, service]: &mut [Audience; 3],
        rows: &mut Vec<Row>,
    ) -> io::Result<()> {
        let mut costs = PATTERNS.map(|(pattern, most)| {
            Row::new(pattern.name, "CPU µs", "relay", table::Target::Ratio(most))
        });
        for round in 0..ROUNDS {
            for ((pattern, _), row) in PATTERNS.into_iter().zip(&mut costs) {
                let mut parts = [(&self.relay, &mut *relay), (&self.service, &mut *service)];
                // Neither is always the first.
                let swapped = round % 2 == 1;
                if swapped {
                    parts.reverse();
                }
                let [(first, first_audience), (second, second_audience)] = parts;
                let publisher = &mut self.publisher;
                let first = workload::deliver(pattern, first, publisher, first_audience).await?;
                let second = workload::deliver(pattern, second, publisher, second_audience).await?;
                let (of_relay, of_service) = if swapped {
                    (second, first)
                } else {
                    (first, second)
                };
                row.round(
                    micros(of_service.cpu),
                    micros(of_relay.cpu),
                    of_service.own_share,
                );
            }
        }
        rows.extend(costs);
        Ok(())
    }

    /// How long a message takes when there is no hurry.
    async fn pace(
        &mut self,
        [subscriber, relay, service]: &mut [Audience; 3],
        rows: &mut Vec<Row>,
    ) -> io::Result<()> {
        let row = |name: &str, beside, target| Row::new(name, "µs", beside, target);
        let mut p50 = row("p50 at 1,000/s", "subscriber", table::Target::Ratio(1.8));
        let mut p99 = row("p99 at 1,000/s", "subscriber", table::Target::Ratio(1.3));
        let mut p50_relay = row("p50 at 1,000/s", "relay", table::Target::None);
        let mut p99_relay = row("p99 at 1,000/s", "relay", table::Target::None);
        for _ in 0..ROUNDS {
            let mut latencies = [const { Vec::new() }; 3];
            let mut share = 0.0;
            // In short turns, so that whatever else the machine does meets all of them.
            for turn in 0..TURNS {
                for (latencies, (target, audience)) in latencies.iter_mut().zip([
                    (&self.subscriber, &mut *subscriber),
                    (&self.relay.0, &mut *relay),
                    (&self.service.0, &mut *service),
                ]) {
                    let users = (turn * PACED..(turn + 1) * PACED).map(|user| user % USERS);
                    let redis = self.subscriber.address;
                    let (of_turn, own_share) =
                        workload::pace(users, redis, target, audience).await?;
                    latencies.extend(of_turn);
                    share = own_share;
                }
            }
            let [of_subscriber, of_relay, of_service] = latencies.map(|mut latencies| {
                latencies.sort_unstable();
                [0.5, 0.99].map(|part: f64| {
                    let index = (latencies.len() as f64 * part) as usize;
                    latencies
                        .get(index)
                        .map_or(f64::NAN, |latency| micros(*latency))
                })
            });
            p50.round(of_service[0], of_subscriber[0], share);
            p99.round(of_service[1], of_subscriber[1], share);
            p50_relay.round(of_service[0], of_relay[0], share);
            p99_relay.round(of_service[1], of_relay[1], share);
        }
        rows.extend([p50, p99, p50_relay, p99_relay]);
        Ok(())
    }
}

/// Closes without leaving a port in TIME_WAIT.
fn close(streams: impl Iterator<Item = TcpStream>) {
    for stream in streams {
        let _ = stream.set_zero_linger();
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
