//! What a panic prints: never a token, and nothing where it is a verdict that is reported elsewhere.

use std::cell::Cell;
use std::io::Write as _;
use std::sync::Once;

use crate::redaction::Redactor;

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// From now on the messages of panics are masked. A second call does nothing.
pub fn mask_messages() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            if !SILENT.get() {
                let message = Redactor::default().text(&info.to_string());
                // Where standard error is closed, nobody wants to know.
                let _ = writeln!(std::io::stderr(), "{message}");
            }
        }));
    });
}

/// Runs `f` without the message of a panic in it.
pub fn silently<T>(f: impl FnOnce() -> T) -> T {
    mask_messages();
    SILENT.set(true);
    let result = f();
    SILENT.set(false);
    result
}
