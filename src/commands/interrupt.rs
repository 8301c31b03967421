//! Ctrl+C: the first one ends the job in an orderly way, the second one ends the process. Where a command only prepares, there
//! is nothing to put in order and the first one ends the process too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kshot::engine::CancelToken;
use kshot::hub::Cancel;

/// What a shell shows for a program that Ctrl+C ended (128 + SIGINT).
pub(crate) const EXIT_CODE: u8 = 130;

/// What Ctrl+C ends: the running download, load or computation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt {
    /// For the engine's jobs.
    pub(crate) engine: CancelToken,
    /// For the hub's.
    pub(crate) hub: Cancel,
    /// Whether what runs hears no token.
    deaf: Arc<AtomicBool>,
}

impl Interrupt {
    /// From now on Ctrl+C sets what is returned. Call it once, when there is something to end: before that, Ctrl+C ends
    /// the process as usual.
    ///
    /// # Errors
    /// The system refuses the handler or its thread.
    pub(crate) fn on_ctrl_c() -> anyhow::Result<Self> {
        let interrupt = Self::default();
        #[cfg(unix)]
        interrupt.clone().listen()?;
        Ok(interrupt)
    }

    /// Does work that hears neither token and leaves nothing half done: reading files, building a model. Ctrl+C ends the
    /// process at once meanwhile.
    pub(crate) fn while_preparing<T>(&self, work: impl FnOnce() -> T) -> T {
        self.deaf.store(true, Ordering::SeqCst);
        if self.engine.is_cancelled() {
            self.end();
        }
        let made = work();
        self.deaf.store(false, Ordering::SeqCst);
        made
    }

    fn end(&self) -> ! {
        super::say("stopped");
        std::process::exit(i32::from(EXIT_CODE));
    }

    #[cfg(unix)]
    fn listen(self) -> anyhow::Result<()> {
        use anyhow::Context;

        let mut signals =
            signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT]).context("cannot listen for Ctrl+C")?;
        let heard = move || {
            for _ in signals.forever() {
                if self.engine.is_cancelled() || self.deaf.load(Ordering::SeqCst) {
                    self.end();
                }
                self.engine.cancel();
                self.hub.cancel();
            }
        };
        let thread = std::thread::Builder::new().name("signals".into()).spawn(heard);
        thread.map(drop).context("cannot start the thread that listens for Ctrl+C")
    }
}
