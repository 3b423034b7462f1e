//! What a message costs between the sockets, without any: `cargo bench --package benches`.

use std::hint::black_box;
use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use notification_services::websocket::decoder::Decoder;
use notification_services::websocket::frame::{self, Opcode};
use notification_services::websocket::outbox::Bounds;
use notification_services::websocket::queue::{Queue, Sent};
use notification_services::websocket::resp::{self, Reply};
use notification_services::websocket::subscriptions::{Feed, LinkId, Membership, Subscriptions};

/// As long as the messages of the load example.
const PAYLOAD: [u8; 300] = [b'x'; 300];

/// How many messages come at once.
const BURST: usize = 50;

const BOUNDS: Bounds = Bounds {
    messages: 1024,
    bytes: 1 << 20,
};

criterion_group!(benches, encoding, parsing, fan_out, decoding);
criterion_main!(benches);

fn encoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame");
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode", |bencher| {
        bencher.iter(|| frame::encode(Opcode::Text, black_box(&PAYLOAD)));
    });
}

fn parsing(criterion: &mut Criterion) {
    let pushes = pushes((0..BURST).map(|_| 0));
    let mut group = criterion.benchmark_group("resp");
    group.throughput(Throughput::Elements(BURST as u64));
    group.bench_function("parse pushes", |bencher| {
        bencher.iter(|| {
            let mut rest = black_box(&pushes[..]);
            while let Ok(Some((reply, length))) = resp::parse(rest) {
                black_box(reply);
                rest = &rest[length..];
            }
        });
    });
}

/// From the bytes that Redis sends to the frames that each connection would write at once.
fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deliver");
    for (name, users, connections, channels) in [
        ("spread", 1000, 1, Channels::Different),
        ("backlog", 1000, 1, Channels::Same),
        ("fan-out", 200, 5, Channels::Same),
    ] {
        let subscriptions = Arc::new(Subscriptions::new("ws", connections, BOUNDS));
        let feed = subscriptions.link_up(LinkId::default());
        let memberships = join(&subscriptions, &feed, users, connections);
        let bytes = pushes((0..BURST).map(|number| match channels {
            Channels::Different => number * 7 % users,
            Channels::Same => 0,
        }));
        // Whose queues have something, so that the others are not looked at: a wake does that in the service.
        let woken: Vec<&Membership> = match channels {
            Channels::Different => (0..BURST)
                .map(|number| &memberships[number * 7 % users])
                .collect(),
            Channels::Same => memberships[..connections].iter().collect(),
        };
        group.throughput(Throughput::Elements((BURST * connections) as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                take_in(&feed, black_box(&bytes));
                for membership in &woken {
                    black_box(taken(membership));
                }
            });
        });
    }
}

fn decoding(criterion: &mut Criterion) {
    let mask = [7, 77, 177, 3];
    let mut pong = vec![0x8A, 0x80];
    pong.extend_from_slice(&mask);
    let mut text = vec![0x81, 0x80 | 126];
    text.extend_from_slice(&(PAYLOAD.len() as u16).to_be_bytes());
    text.extend_from_slice(&mask);
    let masked = PAYLOAD.iter().zip(mask.iter().cycle());
    text.extend(masked.map(|(byte, mask)| byte ^ mask));

    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    for (name, bytes) in [("pong", pong), ("text", text)] {
        group.bench_function(name, |bencher| {
            let mut decoder = Decoder::new(64 * 1024);
            bencher.iter_batched_ref(
                || bytes.clone(), // it is unmasked where it lies
                |bytes| {
                    let mut input = &mut bytes[..];
                    while let Ok(Some(event)) = decoder.next(&mut input) {
                        black_box(event);
                    }
                },
                BatchSize::SmallInput,
            );
        });
    }
}

#[derive(Clone, Copy)]
enum Channels {
    Different,
    Same,
}

/// What Redis sends for one message to each of `users`.
fn pushes(users: impl Iterator<Item = usize>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for user in users {
        // A push has the form of a command, but for its first byte.
        let channel = format!("ws:user-{user}");
        let push = bytes.len();
        resp::command(&mut bytes, &[b"message", channel.as_bytes(), &PAYLOAD]);
        bytes[push] = b'>';
    }
    bytes
}

/// Everybody's memberships, confirmed, a user's beside one another.
fn join(
    subscriptions: &Arc<Subscriptions>,
    feed: &Feed,
    users: usize,
    connections: usize,
) -> Vec<Membership> {
    let memberships = (0..users * connections)
        .map(|number| {
            let user = format!("user-{}", number / connections);
            subscriptions.join(&user).expect("the quota is not reached")
        })
        .collect();
    for request in feed.take_requests() {
        feed.take_in(|intake| intake.answered(&request, true));
    }
    memberships
}

fn take_in(feed: &Feed, mut bytes: &[u8]) {
    feed.take_in(|intake| {
        while let Ok(Some((reply, length))) = resp::parse(bytes) {
            if let Reply::Message { channel, payload } = reply {
                intake.message(channel, payload).expect("it is text");
            }
            bytes = &bytes[length..];
        }
    });
}

/// What a connection takes to write at once, noted as written.
fn taken(membership: &Membership) -> Queue {
    let outbox = membership.outbox();
    let mut queue = Queue::default();
    let pending = outbox.poll(&Context::from_waker(Waker::noop()), &mut queue);
    assert!(pending.is_pending(), "nobody is too slow");
    outbox.sent(Sent {
        messages: queue.len(),
        bytes: queue.frames().map(Bytes::len).sum(),
    });
    queue
}
