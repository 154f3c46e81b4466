//! Hashing gives way to everything else of the process.

/// How much nicer the hashing threads are than the rest of the process (`setpriority(2)`).
#[cfg(target_os = "linux")]
const NICER: i32 = 5;

/// Lowers the priority of the calling thread.
///
/// A hash keeps a processor for as long as it takes. At equal priority a request that becomes ready meanwhile
/// waits for the scheduler's next look, some milliseconds; from a nicer thread it takes the processor at once.
/// A flood of log-ins still gets all that nothing else wants, and where something else wants everything, a third of
/// an equal share: few enough to give way, enough for log-ins to go on beside a machine's other work.
///
/// Only Linux has a priority for each thread; elsewhere nothing is done. A thread that may not be made nicer
/// hashes all the same.
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
    fn the_calling_thread_is_made_nicer_and_no_other() {
        let before = getpriority_process(None).unwrap();
        let lowered = std::thread::spawn(|| {
            lower();
            getpriority_process(None).unwrap()
        });
        assert_eq!(lowered.join().unwrap(), (before + NICER).min(19));
        assert_eq!(getpriority_process(None).unwrap(), before);
    }
}
