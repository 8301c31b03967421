//! Ctrl+C: the first one ends the job in an orderly way, the second one ends the process.

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

    #[cfg(unix)]
    fn listen(self) -> anyhow::Result<()> {
        use anyhow::Context;

        let mut signals =
            signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT]).context("cannot listen for Ctrl+C")?;
        let heard = move || {
            for _ in signals.forever() {
                if self.engine.is_cancelled() {
                    std::process::exit(i32::from(EXIT_CODE));
                }
                self.engine.cancel();
                self.hub.cancel();
            }
        };
        let thread = std::thread::Builder::new().name("signals".into()).spawn(heard);
        thread.map(drop).context("cannot start the thread that listens for Ctrl+C")
    }
}
