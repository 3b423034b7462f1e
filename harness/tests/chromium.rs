//! However the process ends that started a Chromium, nothing is left of it.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::system::Chromium;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// Says to this program that it is the process that starts a Chromium, and how that one ends.
const ENDS: &str = "CHROMIUM_TEST_ENDS";
/// How long what is left may take to go.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    if let Ok(end) = env::var(ENDS) {
        return start_and_end(&end);
    }
    let lack = Chromium::program().err();
    let trial = |name: &str, end: &'static str, signal: Option<&'static str>| {
        let lack = lack.clone();
        Trial::ignorable_test(name, move || match lack {
            Some(reason) => Ok(Completion::ignored_with(reason)),
            None => nothing_is_left(end, signal).map(|()| Completion::Completed),
        })
    };
    let trials = vec![
        trial("nothing_is_left_when_it_is_stopped", "stop", None),
        trial("nothing_is_left_when_it_is_dropped", "drop", None),
        trial("nothing_is_left_after_a_panic", "panic", None),
        trial("nothing_is_left_after_an_exit", "exit", None),
        trial("nothing_is_left_after_a_ctrl_c", "wait", Some("INT")),
        trial("nothing_is_left_after_a_kill", "wait", Some("KILL")),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Starts a Chromium, says where it writes, and ends as told.
#[tokio::main]
async fn start_and_end(end: &str) -> ExitCode {
    let chromium = Chromium::start().await.expect("a Chromium starts");
    println!("{}", chromium.folder().display());
    stdout().flush().expect("somebody listens");
    // Until the test has seen it run.
    stdin().read_line(&mut String::new()).expect("it speaks");
    match end {
        "stop" => chromium.stop().await,
        "drop" => drop(chromium),
        "panic" => panic!("on purpose"),
        "exit" => std::process::exit(0),
        _ => std::future::pending().await,
    }
    ExitCode::SUCCESS
}

fn nothing_is_left(end: &str, signal: Option<&str>) -> Result<(), Failed> {
    // What is started in the background of a script ignores a Ctrl-C, and so would this.
    let mut starter = Command::new("env")
        .arg("--default-signal=INT")
        .arg(env::current_exe()?)
        .env(ENDS, end)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let checked = check(&mut starter, end, signal);
    // It has ended, unless the check failed before.
    let _ = starter.kill();
    starter.wait()?;
    checked
}

fn check(starter: &mut Child, end: &str, signal: Option<&str>) -> Result<(), Failed> {
    let said = starter.stdout.take().ok_or("its output is not read")?;
    let mut folder = String::new();
    BufReader::new(said).read_line(&mut folder)?;
    let folder = Path::new(folder.trim());
    if !folder.is_dir() || processes_of(folder).is_empty() {
        return Err(format!("{}: no Chromium runs there", folder.display()).into());
    }
    writeln!(starter.stdin.take().ok_or("it has no input")?)?;
    if let Some(signal) = signal {
        let pid = starter.id().to_string();
        Command::new("kill").args(["-s", signal, &pid]).status()?;
    }
    let deadline = Instant::now() + PATIENCE;
    while starter.try_wait()?.is_none() {
        if Instant::now() > deadline {
            return Err(format!("{end}, {signal:?}: it has not ended").into());
        }
        sleep(Duration::from_millis(20));
    }
    // Who waited for it to stop finds it gone; otherwise somebody else ends it, and nothing tells when that is done.
    while end != "stop" && (folder.exists() || !processes_of(folder).is_empty()) {
        if Instant::now() > deadline {
            break;
        }
        sleep(Duration::from_millis(20));
    }
    let left = processes_of(folder);
    match (folder.exists(), left.is_empty()) {
        (false, true) => Ok(()),
        (there, _) => Err(format!(
            "left behind: the folder {}: {there}; processes: {left:?}",
            folder.display()
        )
        .into()),
    }
}

/// The command lines of the processes that know `folder`.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(&folder)).collect()
}
