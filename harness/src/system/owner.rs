//! Who owns what was started, so that a dead run's remains can be told from a living run's.
//!
//! An owner is a process of a boot of a host. Its process id alone would not do: ids are used again.

use std::fs;

/// The label that everything started in an engine carries.
pub(super) const LABEL: &str = "notification-contracts.owner";

/// What [`LABEL`] says for this process: `host boot pid start-time`.
pub(super) fn this_process() -> String {
    let pid = std::process::id();
    format!(
        "{} {} {pid} {}",
        host(),
        boot(),
        start_time(pid).unwrap_or_default()
    )
}

/// Whether the run that wrote `owner` is known to be over. Another host's run is never known to be.
pub(super) fn is_gone(owner: &str) -> bool {
    let mut words = owner.split(' ');
    let (Some(of_host), Some(of_boot), Some(pid), Some(started)) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return false;
    };
    if of_host != host() {
        return false;
    }
    if of_boot != boot() {
        return true;
    }
    match pid.parse().ok().map(start_time) {
        Some(now) => now.as_deref() != Some(started),
        None => false,
    }
}

/// Where process ids are what they are here: a container has other ids, and may have the host's name and engine.
fn host() -> String {
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let hostname = read("/proc/sys/kernel/hostname");
    format!("{hostname}-{}", namespace.display())
}

fn boot() -> String {
    read("/proc/sys/kernel/random/boot_id")
}

fn read(path: &str) -> String {
    fs::read_to_string(path)
        .map(|text| text.trim().replace(' ', "-"))
        .unwrap_or_else(|_| "unknown".to_owned())
}

/// When process `pid` started, in clock ticks since boot (proc(5), field 22 of `stat`); `None` when there is none.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the program's name, is in parentheses and may hold blanks and parentheses itself.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_not_gone() {
        assert!(!is_gone(&this_process()));
    }

    #[test]
    fn a_process_id_used_again_is_another_owner() {
        let owner = format!("{} {} {} 1", host(), boot(), std::process::id());
        assert!(is_gone(&owner));
    }

    #[test]
    fn an_earlier_boot_is_gone_and_another_host_is_left_alone() {
        assert!(is_gone(&format!("{} earlier 1 1", host())));
        assert!(!is_gone("elsewhere earlier 1 1"));
        assert!(!is_gone("garbage"));
    }
}
