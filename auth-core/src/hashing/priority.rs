//! Lowers the priority of the hashing threads.

/// The niceness that hashing threads add to that of the process (`setpriority(2)`).
#[cfg(target_os = "linux")]
const NICER: i32 = 5;

/// Lowers the priority of the calling thread.
///
/// A hash occupies a processor for some milliseconds. At equal priority, a request that becomes ready meanwhile
/// waits for the next time slice. A request takes the processor from a nicer thread at once.
///
/// A flood of log-ins still uses every idle processor. On a busy machine, hashing gets a third of an equal
/// share, which is enough for log-ins to continue.
///
/// Only Linux has a priority for each thread; elsewhere this does nothing. If the system refuses, the thread
/// hashes at its old priority.
pub(super) fn lower() {
    #[cfg(target_os = "linux")]
    {
        let own = rustix::process::getpriority_process(None).unwrap_or(0);
        _ = rustix::process::setpriority_process(None, own.saturating_add(NICER));
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn the_calling_thread_alone_is_made_nicer() {
        let before = getpriority_process(None).unwrap();
        let lowered = std::thread::spawn(|| {
            lower();
            getpriority_process(None).unwrap()
        });
        assert_eq!(lowered.join().unwrap(), (before + NICER).min(19));
        assert_eq!(getpriority_process(None).unwrap(), before);
    }
}
