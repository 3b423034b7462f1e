//! What a load is put on: a system, the raw relay, or Redis itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::profile::{Capability, Subscribe};
use harness::system::{ORIGIN, Part, System, Usage};
use harness::token::Issuer;
use uuid::Uuid;

use super::audience::{Audience, Closes, Plan};
use super::client::{Greeting, Wire};
use super::frame;
use super::line::{Line, log_in};
use super::message::Form;
use super::publisher::Publisher;
use super::relay::Relay;
use super::report::Role;
use super::resp;
use super::socket::Way;
use super::workload::Workload;

/// What a load is put on.
pub struct Target {
    /// What people call it.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Where its messages are published.
    redis: Way,
    source: Source,
}

enum Source {
    System(Arc<System>),
    Relay(Relay),
    Redis,
}

/// A target with an audience, for one workload.
pub struct Stand {
    /// Who listens.
    pub audience: Audience,
    /// Who publishes; taken while it does.
    pub publisher: Option<Publisher>,
}

impl Target {
    /// A system that has been started or reached.
    pub async fn system(name: String, role: Role, system: &Arc<System>) -> Result<Self, String> {
        let source = Source::System(Arc::clone(system));
        let redis = Self::redis_of(system).await?;
        Ok(Self {
            name,
            role,
            redis,
            source,
        })
    }

    /// The bare subscriber, at the Redis of `system`.
    pub async fn direct(system: &System) -> Result<Self, String> {
        Ok(Self {
            name: Role::Direct.name().to_owned(),
            role: Role::Direct,
            redis: Self::redis_of(system).await?,
            source: Source::Redis,
        })
    }

    /// The raw relay, at the Redis of `system`.
    pub async fn raw_relay(system: &System) -> Result<Self, String> {
        let redis = Self::redis_of(system).await?;
        let relay = Relay::start(redis.clone());
        let relay = relay.map_err(|error| format!("the raw relay does not start: {error}"))?;
        Ok(Self {
            name: Role::RawRelay.name().to_owned(),
            role: Role::RawRelay,
            redis,
            source: Source::Relay(relay),
        })
    }

    /// How many open files of this process a workload takes on it.
    pub fn files(&self, workload: &Workload) -> u64 {
        let connections = u64::from(workload.connections());
        match self.source {
            Source::System(_) => connections,
            // Both ends are here.
            Source::Relay(_) => 2 * connections,
            Source::Redis => 1,
        }
    }

    /// Whether the workload shows something of it.
    pub fn takes(&self, workload: &Workload) -> bool {
        use super::workload::Pace;
        match (&self.source, workload.pace) {
            (Source::System(_), _) => true,
            (_, Pace::Idle) => false,
            // The bare subscriber is the generator itself: how much it can take is no baseline.
            (Source::Redis, Pace::Maximum) => false,
            _ => true,
        }
    }

    /// What it has used so far. The error says why that is not to be seen.
    pub async fn usage(&self) -> Result<Usage, String> {
        match &self.source {
            Source::System(system) => {
                let mut sum = Usage::default();
                for replica in system.replicas(Part::WebsocketService) {
                    let usage = system.usage(replica).await?;
                    sum.cpu += usage.cpu;
                    sum.memory += usage.memory;
                }
                Ok(sum)
            }
            Source::Relay(relay) => {
                let cpu = relay
                    .cpu()
                    .ok_or("this system counts no thread's processor time")?;
                let memory = 0;
                Ok(Usage { cpu, memory })
            }
            Source::Redis => Err("it is the generator itself".to_owned()),
        }
    }

    /// The relay's processor time, which is no generator's although it is spent in this process.
    pub fn cpu_here(&self) -> Duration {
        match &self.source {
            Source::Relay(relay) => relay.cpu().unwrap_or_default(),
            Source::System(_) | Source::Redis => Duration::ZERO,
        }
    }

    /// Connects everybody whom the workload wants, under ids that nobody else has.
    pub async fn open(
        &self,
        workload: &Workload,
        closes: &Closes,
        began: Instant,
    ) -> Result<Stand, String> {
        let users = Ids::new();
        let form = Form::new(workload.payload);
        let channels = (0..workload.users)
            .map(|user| self.channel(&users.id(user)))
            .collect();
        let (wire, ways, greetings) = match &self.source {
            Source::System(system) => {
                let greetings = upgrades(system, workload, &users)?;
                let mut ways = Vec::new();
                // The balancer of the harness would be part of the generator.
                for replica in system.replicas(Part::WebsocketService) {
                    let endpoint = system.endpoint_past_balancer(replica);
                    ways.push(Way::to(&endpoint.map_err(|error| error.to_string())?).await?);
                }
                (Wire::WebSocket, ways, greetings)
            }
            Source::Relay(relay) => {
                let line = |user| Greeting {
                    bytes: format!("{}\n", self.channel(&users.id(user))).into(),
                    ..Greeting::default()
                };
                let per_user = workload.per_user as usize;
                let greetings = (0..workload.users)
                    .flat_map(|user| std::iter::repeat_n(line(user), per_user))
                    .collect();
                (Wire::Raw, vec![Way::here(relay.address())], greetings)
            }
            Source::Redis => {
                let mut bytes = Vec::new();
                log_in(&mut bytes, self.redis.endpoint());
                for user in 0..workload.users {
                    let channel = self.channel(&users.id(user));
                    resp::command(&mut bytes, &[b"SUBSCRIBE", channel.as_bytes()]);
                }
                let greeting = Greeting {
                    bytes,
                    ..Greeting::default()
                };
                (Wire::Redis, vec![self.redis.clone()], vec![greeting])
            }
        };
        let per_user = match wire {
            Wire::Redis => 1,
            Wire::WebSocket | Wire::Raw => workload.per_user,
        };
        let line = Line::open(&self.redis);
        let line = line.map_err(|error| format!("{}: {error}", self.redis.endpoint()))?;
        let plan = Plan {
            wire,
            ways,
            greetings,
            users: workload.users,
            per_user,
            ramp: workload.ramp,
            form: form.clone(),
            message: self.subscribe().map(|subscribe| subscribe.message.clone()),
            closes: Arc::clone(closes),
        };
        let publisher = Publisher {
            line,
            channels,
            form,
            next: 0,
        };
        Ok(Stand {
            audience: Audience::open(plan, began).await?,
            publisher: Some(publisher),
        })
    }

    async fn redis_of(system: &System) -> Result<Way, String> {
        let endpoint = system.redis().ok_or("there is no Redis to publish in")?;
        Way::to(endpoint).await
    }

    /// How its clients subscribe, where they do it themselves.
    fn subscribe(&self) -> Option<&Subscribe> {
        match &self.source {
            Source::System(system) => system.profile().subscribe.as_ref(),
            Source::Relay(_) | Source::Redis => None,
        }
    }

    /// Where messages to a user are published: only one target hears of each.
    fn channel(&self, user_id: &str) -> String {
        match &self.source {
            Source::System(system) => system.channel(user_id),
            Source::Relay(_) | Source::Redis => format!("load-baseline:{user_id}"),
        }
    }
}

/// The ids of users that nobody else has.
struct Ids(u128);

impl Ids {
    fn new() -> Self {
        Self(Uuid::new_v4().as_u128() & !u128::from(u32::MAX))
    }

    fn id(&self, user: u32) -> String {
        Uuid::from_u128(self.0 | u128::from(user)).to_string()
    }
}

/// An upgrade for each connection, one user's one after the other.
fn upgrades(system: &System, workload: &Workload, users: &Ids) -> Result<Vec<Greeting>, String> {
    let (issuer, profile): (&Issuer, _) = (&system.issuer, system.profile());
    let endpoint = system.websocket.as_ref();
    let host = endpoint
        .ok_or("the profile has no [websocket]")?
        .authority();
    // As a browser does, where it is known to be allowed.
    let origin = match profile.lack(Capability::Origin) {
        None => format!("Origin: {ORIGIN}\r\n"),
        Some(_) => String::new(),
    };
    let of_user = |user| {
        let id = users.id(user);
        let token = issuer.sign(&issuer.claims(&id));
        let upgrade = profile.upgrade(&format!("/ws?token={token}"), &id);
        let bearer = upgrade.bearer.map_or(String::new(), |token| {
            format!("Authorization: Bearer {token}\r\n")
        });
        let head = format!(
            "GET {} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\n{origin}{bearer}",
            upgrade.target
        );
        let subscribe = profile.subscribe.as_ref();
        let subscribes = subscribe.map(|subscribe| subscribe.text(&system.channel(&id)));
        (0..workload.per_user).map(move |_| {
            let (key, accept) = frame::key();
            Greeting {
                bytes: format!("{head}Sec-WebSocket-Key: {key}\r\n\r\n").into(),
                accept,
                subscribes: subscribes.as_deref().map(frame::text).unwrap_or_default(),
            }
        })
    };
    Ok((0..workload.users).flat_map(of_user).collect())
}
