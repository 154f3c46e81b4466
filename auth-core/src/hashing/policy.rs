//! The cost of a password hash, and the number of concurrent hashes.

#[cfg(feature = "legacy-hashes")]
use super::legacy::LegacyHashes;

/// Whether settings below the recommended cost are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CostFloor {
    /// Refuses settings below every row of the OWASP Password Storage cheat sheet.
    #[default]
    Enforced,
    /// Accepts all settings that Argon2 can compute.
    ///
    /// Only for tests, which would otherwise spend their time hashing. Such hashes are guessed quickly. With
    /// proper settings they are replaced at the next log-in.
    Off,
}

/// Whether bcrypt strings of an older system match, and are replaced at the next log-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum BcryptImport {
    /// A bcrypt string never matches.
    #[default]
    Refuse,
    /// `$2a$`, `$2b$` and `$2y$` strings match, and a new Argon2id hash replaces them.
    ///
    /// bcrypt reads the first 72 bytes of a password. If the typed one has 72 bytes or more, or a zero byte, the log-in
    /// succeeds and the string stays until the password is changed or reset: the owner's password may be another.
    ///
    /// # Security
    ///
    /// Every verification, of known and unknown users, then computes one bcrypt of this cost and one
    /// Argon2. Otherwise the time would reveal which accounts exist and which have an old hash. Turn it off
    /// when the last old hash has been replaced.
    Accept {
        /// The highest cost among the imported strings, 4 to 15. Strings of a higher cost never match.
        cost: u32,
    },
}

/// Sets the cost of a password hash, and the number of concurrent hashes.
///
/// The pool uses `threads` times `memory_kib` of memory for its whole lifetime, and at most `threads` times
/// `max_memory_kib` while it verifies stronger stored hashes. Accepted legacy hashes of scrypt and Argon2 take their
/// memory besides.
///
/// # Examples
///
/// ```
/// use auth_core::{BcryptImport, HashingPolicy, Policy};
///
/// let mut hashing = HashingPolicy::default();
/// hashing.memory_kib = 47_104; // weaker stored hashes are replaced at the next log-in
/// hashing.iterations = 1;
/// hashing.bcrypt = BcryptImport::Accept { cost: 12 };
///
/// let mut policy = Policy::default();
/// policy.hashing = hashing;
/// assert!(policy.problems().is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HashingPolicy {
    /// Memory of one hash in KiB. Default 19,456 (OWASP Password Storage cheat sheet).
    pub memory_kib: u32,
    /// Passes over that memory. Default 2 (the same row of the sheet).
    pub iterations: u32,
    /// Lanes, 1 to 4. Default 1. One thread computes them one after another, so more lanes are no faster.
    pub parallelism: u32,
    /// Concurrent hashes, each on its own operating system thread. Default: one fewer than the processors
    /// available to the process, and at least one. Requests that hash nothing then find a processor
    /// during a flood of log-ins (measured in `docs/performance.md`). On Linux these threads have a
    /// niceness of 5.
    pub threads: u32,
    /// Requests that may wait for a thread, 1 to 1,024. The next one gets
    /// [`HashingError::Busy`](crate::HashingError::Busy), or takes the place of one whose account or network
    /// has more of them. Accounts and networks are served in turn; a network is an IPv4 /24 or an IPv6 /48.
    /// Default 64: at 15 ms for each hash on one thread, the last one waits a second.
    pub queue: u32,
    /// Largest memory of a *stored* hash, in KiB. Default 65,536 (64 MiB, the second recommendation of
    /// RFC 9106 section 4). A hash that asks for more never matches, and no memory is allocated for it.
    pub max_memory_kib: u32,
    /// Most passes of a stored hash. Default 16.
    pub max_iterations: u32,
    /// Most lanes of a stored hash. Default 4 (RFC 9106 section 4).
    pub max_parallelism: u32,
    /// Whether bcrypt strings are accepted. Default: no.
    pub bcrypt: BcryptImport,
    /// Which hashes of other systems are accepted, besides bcrypt. Default: none. Each log-in replaces one.
    ///
    /// # Security
    ///
    /// Every verification, of known and unknown users, then computes each accepted algorithm at its highest
    /// accepted cost. Otherwise the time would reveal which accounts exist and which have an old hash. So accept no
    /// more than was imported, and turn it off when the last old hash has been replaced.
    #[cfg(feature = "legacy-hashes")]
    pub legacy: LegacyHashes,
    /// Whether the recommended cost is enforced. Default: yes.
    pub floor: CostFloor,
}

impl Default for HashingPolicy {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            memory_kib: 19_456,
            iterations: 2,
            parallelism: 1,
            threads: u32::try_from(processors).unwrap_or(u32::MAX).saturating_sub(1).clamp(1, MAX_THREADS),
            queue: 64,
            max_memory_kib: 65_536,
            max_iterations: 16,
            max_parallelism: 4,
            bcrypt: BcryptImport::Refuse,
            #[cfg(feature = "legacy-hashes")]
            legacy: LegacyHashes::default(),
            floor: CostFloor::Enforced,
        }
    }
}

const MAX_THREADS: u32 = 256;

/// Most requests in the queue. Each arrival looks at all of them, which takes less than 0.1 ms for this many; and
/// no client waits for the 15 s that their hashes take on one thread.
const MAX_QUEUE: u32 = 1_024;

/// Memory in KiB and passes that are equally strong by the OWASP Password Storage cheat sheet.
const OWASP_ROWS: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

/// Whether the memory and the passes reach those of at least one row.
pub(super) fn meets_floor(memory_kib: u32, iterations: u32) -> bool {
    OWASP_ROWS.iter().any(|&(memory, passes)| memory_kib >= memory && iterations >= passes)
}

impl HashingPolicy {
    /// Lists the problems of this policy by field. Empty if it can be used.
    pub(crate) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut bounds = |field, value: u32, min: u32, max: u32| {
            if !(min..=max).contains(&value) {
                problems.push((field, format!("must be {min} to {max}")));
            }
        };
        bounds("max_memory_kib", self.max_memory_kib, 8, 4 << 20);
        bounds("max_iterations", self.max_iterations, 1, 64);
        bounds("max_parallelism", self.max_parallelism, 1, 16);
        bounds("parallelism", self.parallelism, 1, self.max_parallelism.min(4));
        bounds("memory_kib", self.memory_kib, 8 * self.parallelism.min(4), self.max_memory_kib);
        bounds("iterations", self.iterations, 1, self.max_iterations);
        bounds("threads", self.threads, 1, MAX_THREADS);
        bounds("queue", self.queue, 1, MAX_QUEUE);
        if let BcryptImport::Accept { cost } = self.bcrypt {
            bounds("bcrypt.cost", cost, 4, 15);
        }
        #[cfg(feature = "legacy-hashes")]
        problems.extend(self.legacy.problems().map(|(algorithm, problem)| (algorithm.setting(), problem)));
        if self.floor == CostFloor::Enforced && !meets_floor(self.memory_kib, self.iterations) {
            const FLOOR: &str = "is weaker than OWASP recommends: at least 47104 KiB with 1 pass, \
                                 19456 with 2, 12288 with 3, 9216 with 4 or 7168 with 5";
            problems.push(("memory_kib", FLOOR.to_owned()));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(change: impl FnOnce(&mut HashingPolicy)) -> Vec<&'static str> {
        let mut policy = HashingPolicy::default();
        change(&mut policy);
        policy.problems().into_iter().map(|(field, _)| field).collect()
    }

    #[test]
    fn the_floor_is_exactly_the_owasp_rows() {
        for (memory, passes) in OWASP_ROWS {
            assert!(fields(|p| (p.memory_kib, p.iterations) = (memory, passes)).is_empty());
            assert_eq!(fields(|p| (p.memory_kib, p.iterations) = (memory - 1, passes)), ["memory_kib"]);
        }
        assert_eq!(fields(|p| p.iterations = 1), ["memory_kib"]);
        assert_eq!(fields(|p| (p.memory_kib, p.iterations) = (7_167, 16)), ["memory_kib"]);
        assert!(fields(|p| (p.memory_kib, p.floor) = (8, CostFloor::Off)).is_empty());
    }

    #[test]
    fn new_hashes_may_not_exceed_the_caps_of_stored_hashes() {
        assert_eq!(fields(|p| p.memory_kib = 65_537), ["memory_kib"]);
        assert_eq!(fields(|p| p.iterations = 17), ["iterations"]);
        assert_eq!(fields(|p| p.parallelism = 5), ["parallelism"]);
        assert_eq!(fields(|p| p.max_parallelism = 0), ["max_parallelism", "parallelism"]);
        assert_eq!(fields(|p| (p.threads, p.queue) = (0, 0)), ["threads", "queue"]);
        assert_eq!(fields(|p| p.bcrypt = BcryptImport::Accept { cost: 16 }), ["bcrypt.cost"]);
        assert_eq!(fields(|p| p.bcrypt = BcryptImport::Accept { cost: 3 }), ["bcrypt.cost"]);
        assert_eq!(fields(|p| p.parallelism = u32::MAX), ["parallelism"]);
    }
}
