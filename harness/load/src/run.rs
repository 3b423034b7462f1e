//! A run: systems started, workloads played on them by turns with the baselines, and everything summed up.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use harness::contract::rules;
use harness::profile::{Capability, Profile, Service};
use harness::runner::Theatre;
use harness::system::{Run, Runtime, StartError};

use super::audience::Closes;
use super::figures::{Figures, Turn};
use super::limits;
use super::live::Live;
use super::report::{Measured, Played, Report, Role};
use super::target::{Stand, Target};
use super::thread;
use super::threshold::Thresholds;
use super::workload::{Pace, Workload};

/// What is to be played.
pub struct Program {
    /// The system that is measured.
    pub system: Profile,
    /// Those that it is compared with, by turns.
    pub others: Vec<Profile>,
    /// Where the suite's own parts run; if none is chosen as processes, unless a part is an image.
    pub runtime: Option<Runtime>,
    /// One after the other.
    pub workloads: Vec<Workload>,
    /// The baselines.
    pub baselines: Vec<Role>,
    /// What is demanded.
    pub thresholds: Option<Thresholds>,
}

/// Why there are no results.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A system did not start, or cannot be used like this.
    #[error("{0}")]
    System(String),
    /// Something was asked for that cannot be.
    #[error("{0}")]
    Usage(String),
}

/// In how many turns a target has its time in a round at maximum, so that whatever else the machine does meets all of them.
const TURNS: u32 = 5;
/// The open files that this process has besides connections.
const OTHER_FILES: u64 = 200;

/// What becomes of a program. It is boxed, so that it is compiled and optimized here, and not again by whoever waits for it.
pub type Playing<'a> = Pin<Box<dyn Future<Output = Result<Report, Trouble>> + 'a>>;

/// Plays `program`. `say` gets a line for what a person should know, `live` what happens now.
pub fn play<'a>(program: Program, live: &'a Live, say: &'a (dyn Fn(&str) + Sync)) -> Playing<'a> {
    Box::pin(play_all(program, live, say))
}

async fn play_all(
    program: Program,
    live: &Live,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Report, Trouble> {
    let rules = rules().map_err(|error| Trouble::Usage(error.to_string()))?;
    let closes: Closes = Arc::new(|code| rules.knows_close(code));
    let run = Run::begin()
        .map_err(|error| Trouble::System(format!("no signal can be handled: {error}")))?;
    let measured_at = jiff::Timestamp::now().round(jiff::Unit::Second);
    let measured_at = measured_at.map_or(String::new(), |time| time.to_string());
    let mut profiles = vec![(program.system, Role::System)];
    profiles.extend((program.others.into_iter()).map(|other| (other, Role::Compared)));
    let mut theatres = Vec::new();
    let played = async {
        for (profile, role) in profiles {
            let name = profile.file.clone();
            let theatre = open(&run, profile, program.runtime, say).await?;
            theatres.push((name, role, theatre));
        }
        let runtime = theatres
            .first()
            .map(|(_, _, theatre)| theatre.runtime().to_string());
        let targets = targets(&theatres, &program.baselines).await?;
        for workload in &program.workloads {
            check_files(workload, &targets)?;
        }
        let mut played = Vec::new();
        let began = Instant::now();
        for workload in &program.workloads {
            let targets: Vec<&Target> = targets
                .iter()
                .filter(|target| target.takes(workload))
                .collect();
            played.push(play_one(workload, &targets, &closes, began, live).await?);
        }
        Ok((runtime.unwrap_or_default(), played))
    };
    let played = tokio::select! {
        biased;
        () = run.interrupted() => std::future::pending().await,
        played = played => played,
    };
    for (_, _, theatre) in &theatres {
        theatre.stop().await;
    }
    let (runtime, workloads) = played?;
    let judged = program
        .thresholds
        .map(|thresholds| thresholds.judge(&workloads));
    let thresholds = judged
        .transpose()
        .map_err(Trouble::Usage)?
        .unwrap_or_default();
    Ok(Report {
        format: "notification-contracts/load",
        version: 1,
        measured_at,
        runtime,
        limits: limits::of(&workloads),
        kept: workloads.iter().all(Played::is_clean) && thresholds.iter().all(|rule| rule.met),
        workloads,
        thresholds,
    })
}

/// Starts what a load can be put on, without a gateway.
async fn open(
    run: &Run,
    profile: Profile,
    runtime: Option<Runtime>,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Theatre, Trouble> {
    let lack = match profile.websocket {
        Some(_) => profile.lack(Capability::Bursts),
        None => profile.lack(Capability::Websocket),
    };
    if let Some(lack) = lack {
        return Err(Trouble::Usage(format!(
            "{}: no load can be put on it: {lack}",
            profile.file
        )));
    }
    let redis = profile.redis.as_ref().and_then(Service::url);
    let is_several = redis.is_some_and(|url| url.url().starts_with("redis+"));
    if is_several || profile.sharded {
        return Err(Trouble::Usage(format!(
            "{}: a load is published with PUBLISH on one Redis: it can be put on no cluster, behind no sentinels, and on no \
             service that wants SPUBLISH",
            profile.file
        )));
    }
    let file = profile.file.clone();
    // An engine's proxy would be part of what is measured, and has files of its own to run out of.
    let as_processes = profile.refuses(Runtime::Processes).is_none();
    let runtime = runtime.or(as_processes.then_some(Runtime::Processes));
    let mut profile = profile;
    (profile.gateway, profile.optimized) = (None, true);
    let not_started = |StartError(words)| Trouble::System(format!("{file}: {words}"));
    say(&format!("starting or reaching {file}"));
    // Boxed: what starts a system is nested deeper than a future is allowed to be.
    let opened = Theatre::open_in(run.clone(), profile, runtime, say).await;
    let theatre = opened.map_err(not_started)?;
    theatre.system().await.map_err(not_started)?;
    Ok(theatre)
}

async fn targets(
    theatres: &[(String, Role, Theatre)],
    baselines: &[Role],
) -> Result<Vec<Target>, Trouble> {
    let mut targets = Vec::new();
    for (name, role, theatre) in theatres {
        let system = theatre
            .system()
            .await
            .map_err(|StartError(words)| Trouble::System(words))?;
        let target = Target::system(name.clone(), *role, system).await;
        targets.push(target.map_err(Trouble::System)?);
        if *role == Role::System {
            for baseline in baselines {
                let target = match baseline {
                    Role::RawRelay => Target::raw_relay(system).await,
                    _ => Target::direct(system).await,
                };
                targets.push(target.map_err(Trouble::System)?);
            }
        }
    }
    // The systems first.
    targets.sort_by_key(|target| target.role != Role::System && target.role != Role::Compared);
    Ok(targets)
}

/// Whether this process may open as many files as the workload takes.
fn check_files(workload: &Workload, targets: &[Target]) -> Result<(), Trouble> {
    let taking = targets.iter().filter(|target| target.takes(workload));
    let files = taking.map(|target| target.files(workload));
    let needed = match workload.pace {
        // One after the other.
        Pace::Idle => OTHER_FILES + files.max().unwrap_or_default(),
        Pace::PerSecond(_) | Pace::Maximum => OTHER_FILES + files.sum::<u64>(),
    };
    let allowed = rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    if needed <= allowed {
        return Ok(());
    }
    Err(Trouble::Usage(format!(
        "{}: {} connections with these baselines take {needed} open files, and this process may have {allowed} (`ulimit -Hn`): \
         take fewer --connections, `--baseline direct` or `--baseline none`, or raise the limit",
        workload.name,
        workload.connections()
    )))
}

/// A target while a workload is played on it.
struct Player<'a> {
    target: &'a Target,
    stand: Stand,
    rounds: Vec<Turn>,
    opening: Figures,
    unseen: Option<String>,
}

async fn play_one(
    workload: &Workload,
    targets: &[&Target],
    closes: &Closes,
    began: Instant,
    live: &Live,
) -> Result<Played, Trouble> {
    let mut complete = true;
    let mut measured = Vec::new();
    let mut players = Vec::new();
    for target in targets {
        let words = format!("{}: connecting to {}", workload.name, target.name);
        live.turn(words, None);
        let player = join(workload, target, closes, began).await?;
        if workload.pace == Pace::Idle {
            // There is nothing to do by turns: the next target has all open files for itself.
            let (target, arrived) = player.leave(workload, true).await?;
            complete &= arrived;
            measured.push(target);
        } else {
            players.push(player);
        }
    }
    let (rounds, turns) = (workload.rounds, turns(workload));
    'rounds: for round in 0..rounds {
        for player in &mut players {
            player.rounds.push(Turn::default());
        }
        for turn in 0..turns {
            let mut order: Vec<usize> = (0..players.len()).collect();
            // Nobody is always the first.
            if (round * turns + turn) % 2 == 1 {
                order.reverse();
            }
            for index in order {
                let player = &mut players[index];
                let words = format!(
                    "{}, round {} of {rounds}, {}",
                    workload.name,
                    round + 1,
                    player.target.name
                );
                live.turn(words, Some(Arc::clone(&player.stand.audience.book)));
                complete = player.turn(workload).await?;
                if !complete {
                    break 'rounds;
                }
            }
        }
    }
    for player in players {
        let (target, arrived) = player.leave(workload, complete).await?;
        complete = arrived;
        measured.push(target);
    }
    Ok(Played::of(workload, measured, complete))
}

/// How many turns a target has in a round: one of a pace, for the first messages after a change find what they need out of
/// the processors' caches, and would be much of what is slowest.
fn turns(workload: &Workload) -> u32 {
    match workload.pace {
        Pace::PerSecond(_) => 1,
        Pace::Maximum | Pace::Idle => TURNS,
    }
}

/// Connects everybody, and sees to it that a message reaches each of them.
async fn join<'a>(
    workload: &Workload,
    target: &'a Target,
    closes: &Closes,
    began: Instant,
) -> Result<Player<'a>, Trouble> {
    let system = |words: String| Trouble::System(format!("{}: {words}", target.name));
    let before = target.usage().await;
    let mut stand = target.open(workload, closes, began).await.map_err(system)?;
    let arrived = stand.fence(workload.users).await.map_err(system)?;
    let after = target.usage().await;
    let (book, opened_in) = (&stand.audience.book, stand.audience.opened_in);
    let open = book.open.load(std::sync::atomic::Ordering::Relaxed);
    let wanted = match target.role {
        Role::Direct => 1,
        _ => u64::from(workload.connections()),
    };
    if open < wanted {
        let Stand { audience, .. } = stand;
        let departure = audience.leave().await.map_err(system)?;
        let (code, count) = departure.ended.into_iter().next().unwrap_or_default();
        let code = code.map_or("no close code".to_owned(), |code| {
            format!("close code {code}")
        });
        return Err(system(format!(
            "of {wanted} connections {open} are left before anything is published: {count} ended with {code}; is there a limit?"
        )));
    }
    if !arrived {
        // The account tells what is missing; it is no figure.
        return Ok(player(target, stand, Figures::default(), None));
    }
    let connections = f64::from(workload.connections());
    let (used, unseen) = match (before, after) {
        (Ok(before), Ok(after)) => (Some(after - before), None),
        (Err(words), _) | (_, Err(words)) => (None, Some(words)),
    };
    let is_system = matches!(target.role, Role::System | Role::Compared);
    let used = used.filter(|_| is_system);
    let figures = Figures {
        opened_per_second: (target.role != Role::Direct && workload.ramp.is_zero())
            .then(|| connections / opened_in.as_secs_f64()),
        cpu_us_per_connection: used.map(|used| used.cpu.as_secs_f64() * 1e6 / connections),
        // Where it is next to nothing it is what was free already.
        memory_kib_per_connection: used
            .map(|used| used.memory as f64 / 1024.0 / connections)
            .filter(|_| workload.pace == Pace::Idle),
        ..Figures::default()
    };
    Ok(player(target, stand, figures, unseen))
}

fn player<'a>(
    target: &'a Target,
    stand: Stand,
    opening: Figures,
    unseen: Option<String>,
) -> Player<'a> {
    Player {
        target,
        stand,
        rounds: Vec::new(),
        opening,
        unseen,
    }
}

impl Stand {
    /// Publishes one message to each user and waits until it is there; false if it does not come.
    async fn fence(&mut self, users: u32) -> Result<bool, String> {
        self.with_publisher(move |publisher, book| publisher.fence(users, book))
            .await
    }

    /// Lets the publisher work on a thread of its own, as a backend does.
    async fn with_publisher<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut super::publisher::Publisher, &super::book::Book) -> std::io::Result<T>
        + Send
        + 'static,
    ) -> Result<T, String> {
        let book = Arc::clone(&self.audience.book);
        let mut publisher = self
            .publisher
            .take()
            .ok_or("the publisher has failed before")?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&mut publisher, &book);
            (publisher, done)
        });
        let (publisher, done) = done.await.map_err(|error| error.to_string())?;
        self.publisher = Some(publisher);
        done.map_err(|error| error.to_string())
    }
}

impl Player<'_> {
    /// Publishes for one turn, and adds what it shows to the last round; false if something did not arrive.
    async fn turn(&mut self, workload: &Workload) -> Result<bool, Trouble> {
        let time = workload.duration / workload.rounds / turns(workload);
        let book = Arc::clone(&self.stand.audience.book);
        // Of what came between turns, nothing is this one's.
        book.take_latencies();
        let reader = |player: &Self| {
            let thread = player.stand.audience.thread;
            thread.and_then(thread::Thread::cpu).unwrap_or_default()
        };
        let machine = || thread::of_the_machine().unwrap_or_default();
        let (deliveries, machine_before) = (book.deliveries(), machine());
        let usage = self.target.usage().await;
        let (own, here) = (thread::of_this_process(), self.target.cpu_here());
        let reader_before = reader(self);
        let of_turn = workload.clone();
        let published = self
            .stand
            .with_publisher(move |publisher, book| publisher.publish(&of_turn, book, time));
        let published = published
            .await
            .map_err(|words| Trouble::System(format!("{}: {words}", self.target.name)))?;
        let reader_after = reader(self);
        let own = thread::of_this_process().saturating_sub(own);
        let here = self.target.cpu_here().saturating_sub(here);
        let cpu = match (usage, self.target.usage().await) {
            (Ok(before), Ok(after)) => Some((after - before).cpu),
            (Err(words), _) | (_, Err(words)) => {
                self.unseen.get_or_insert(words);
                None
            }
        };
        let machine_after = machine();
        let turn = Turn {
            deliveries: book.deliveries() - deliveries,
            time: published.time,
            cpu,
            reader: reader_after.saturating_sub(reader_before),
            publisher: published.cpu,
            generator: own.saturating_sub(here),
            machine: (
                machine_after.0.saturating_sub(machine_before.0),
                machine_after.1.saturating_sub(machine_before.1),
            ),
            latencies: book.take_latencies(),
            lateness: published.lateness,
        };
        if let Some(round) = self.rounds.last_mut() {
            *round += &turn;
        }
        Ok(published.caught_up)
    }

    /// Proves that nothing more comes, leaves, and sums up; false if something did not arrive, now or, where this is not
    /// `complete`, before: then the silence has proved it.
    async fn leave(
        mut self,
        workload: &Workload,
        complete: bool,
    ) -> Result<(Measured, bool), Trouble> {
        let system = |words: String| Trouble::System(format!("{}: {words}", self.target.name));
        // What has not come before a later message never will; what comes twice, comes before the message after that.
        let mut arrived = complete;
        for _ in 0..2 {
            arrived = arrived && self.stand.fence(workload.users).await.map_err(system)?;
        }
        let departure = self.stand.audience.leave().await.map_err(system)?;
        let mut all = Turn::default();
        self.rounds.iter().for_each(|round| all += round);
        let code = |code: Option<u16>| code.map_or("none".to_owned(), |code| code.to_string());
        let opening = self.opening;
        let measured = Measured {
            name: self.target.name.clone(),
            role: self.target.role,
            figures: Figures {
                opened_per_second: opening.opened_per_second,
                cpu_us_per_connection: opening.cpu_us_per_connection,
                memory_kib_per_connection: opening.memory_kib_per_connection,
                ..all.figures()
            },
            rounds: self.rounds.iter().map(Turn::figures).collect(),
            histogram: all.bars(),
            account: departure.balance,
            ended: departure
                .ended
                .into_iter()
                .map(|(key, count)| (code(key), count))
                .collect(),
            generator: all.generator(),
            unseen: self.unseen,
        };
        Ok((measured, arrived))
    }
}
