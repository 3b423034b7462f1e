//! What load there is: who is connected, who gets messages, how many at a time, and how often.

use std::time::Duration;

use serde::Serialize;

use super::message::Form;

/// A load.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// What people and threshold files call it.
    pub name: String,
    /// What it is, in words.
    pub title: String,
    /// How many users there are.
    pub users: u32,
    /// How many connections each of them has.
    pub per_user: u32,
    /// Over which time they connect; zero for as soon as they can.
    pub ramp: Duration,
    /// How often there is something to publish.
    pub pace: Pace,
    /// How many messages a user gets one after the other.
    pub burst: u32,
    /// How many users get messages at the same time.
    pub fan_out: u32,
    /// How long a message is, in bytes.
    pub payload: usize,
    /// For how long messages are published to each target, all rounds together.
    pub duration: Duration,
    /// In how many rounds; each target has its turns in each of them.
    pub rounds: u32,
}

/// How often there is something to publish.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// So many messages a second, however fast they arrive: an open loop.
    PerSecond(f64),
    /// As many as arrive: a closed loop.
    Maximum,
    /// Nothing but one message to each user: what connections cost that are idle.
    Idle,
}

/// The connections that are opened where nobody says how many.
pub const CONNECTIONS: u32 = 1000;
/// How many messages are published with one write where there is no pace.
pub const BATCH: u32 = 50;

impl Workload {
    /// One message a millisecond, to one of a thousand users after the other.
    pub fn paced() -> Self {
        Self {
            name: "paced".to_owned(),
            title: "1,000 messages/s, each to another of 1,000 users".to_owned(),
            users: CONNECTIONS,
            per_user: 1,
            ramp: Duration::ZERO,
            pace: Pace::PerSecond(1000.0),
            burst: 1,
            fan_out: 1,
            payload: 300,
            duration: Duration::from_secs(10),
            rounds: 5,
        }
    }

    /// What is measured where nobody asks for something else: what connections cost, what deliveries cost, and how long
    /// they take.
    pub fn usual() -> Vec<Self> {
        let maximum = |name: &str, title: &str, burst| Self {
            name: name.to_owned(),
            title: title.to_owned(),
            pace: Pace::Maximum,
            burst,
            duration: Duration::from_secs(4),
            ..Self::paced()
        };
        vec![
            Self {
                name: "idle".to_owned(),
                title: "10,000 connections that get one message".to_owned(),
                users: 10_000,
                pace: Pace::Idle,
                rounds: 1,
                ..Self::paced()
            },
            maximum("spread", "at maximum, each to another of 1,000 users", 1),
            maximum(
                "backlog",
                "at maximum, 50 at once to one of 1,000 users",
                50,
            ),
            Self {
                users: 200,
                per_user: 5,
                ..maximum(
                    "fan-out",
                    "at maximum, 50 at once to a user's 5 connections",
                    50,
                )
            },
            Self::paced(),
        ]
    }

    /// The same with a title that says what it is.
    pub fn described(self) -> Self {
        let pace = match self.pace {
            Pace::PerSecond(rate) => format!("{rate} messages/s"),
            Pace::Maximum => "at maximum".to_owned(),
            Pace::Idle => "idle".to_owned(),
        };
        let burst = match self.burst {
            1 => String::new(),
            burst => format!("{burst} at once "),
        };
        let receivers = match self.fan_out {
            1 => format!("to one of {} users", self.users),
            users => format!("to {users} of {} users at a time", self.users),
        };
        let connections = match self.per_user {
            1 => String::new(),
            connections => format!(" with {connections} connections each"),
        };
        Self {
            title: format!("{pace}, {burst}{receivers}{connections}"),
            ..self
        }
    }

    /// How many connections there are.
    pub fn connections(&self) -> u32 {
        self.users * self.per_user
    }

    /// How many messages are due at the same time.
    pub fn group(&self) -> u32 {
        self.burst * self.fan_out
    }

    /// How many messages may be on their way in a closed loop: of messages one by one so few that never two of them wait for
    /// the same user.
    pub fn window(&self) -> u64 {
        u64::from((self.users / 2).max(40 * self.burst))
    }

    /// Whom the messages of the group `number` are for, each user so often as it gets one.
    pub fn receivers(&self, number: u64) -> impl Iterator<Item = u32> {
        let (users, burst) = (self.users, self.burst as usize);
        let first = number * u64::from(self.fan_out) % u64::from(users);
        let turn = move |index: u32| ((first + u64::from(index)) % u64::from(users)) as u32;
        (0..self.fan_out).flat_map(move |index| std::iter::repeat_n(turn(index), burst))
    }

    /// What cannot be, if anything; the sentence says which option is to be changed.
    pub fn problem(&self) -> Option<String> {
        let (users, group) = (self.users, f64::from(self.group()));
        if self
            .users
            .checked_mul(self.per_user)
            .is_none_or(|connections| connections > 1_000_000)
        {
            return Some(
                "more than 1,000,000 connections are no load for one machine: take fewer"
                    .to_owned(),
            );
        }
        if self.fan_out > users {
            return Some(format!(
                "--fan-out {} needs as many users, and there are {users}",
                self.fan_out
            ));
        }
        if self.payload < Form::SHORTEST || self.payload > 64 * 1024 {
            return Some(format!(
                "--payload is {} bytes: a message says whose it is, which one and when it was due, so it has {} at least and \
                 65536 at most",
                self.payload,
                Form::SHORTEST
            ));
        }
        let seconds = self.duration.as_secs_f64() / f64::from(self.rounds);
        match self.pace {
            Pace::PerSecond(rate) if rate * seconds < group => Some(format!(
                "--rate {rate} is less than one group of {group} messages in a round of {seconds} s: take a higher rate, a \
                 longer --duration or fewer --rounds"
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_take_turns() {
        let workload = Workload {
            users: 3,
            fan_out: 2,
            burst: 2,
            ..Workload::paced()
        };
        let receivers = |number| workload.receivers(number).collect::<Vec<_>>();
        assert_eq!(receivers(0), [0, 0, 1, 1]);
        assert_eq!(receivers(1), [2, 2, 0, 0]);
        assert_eq!(receivers(2), [1, 1, 2, 2]);
    }

    #[test]
    fn what_is_usual_can_be() {
        for workload in Workload::usual() {
            assert_eq!(workload.problem(), None, "{}", workload.name);
        }
    }
}
