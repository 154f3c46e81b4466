//! `FairQueue`: a bounded queue that serves accounts and networks in turn.

use std::collections::HashMap;

/// The account and the network that a job is for, each as a keyed hash. Without one, a job counts as the only
/// one of its account or network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Share {
    pub(crate) account: Option<[u8; 16]>,
    pub(crate) network: Option<[u8; 16]>,
}

impl Share {
    fn keys(self) -> impl Iterator<Item = [u8; 16]> {
        self.account.into_iter().chain(self.network)
    }

    fn overlaps(self, other: Self) -> bool {
        let same = |one: Option<[u8; 16]>, other| one.is_some() && one == other;
        same(self.account, other.account) || same(self.network, other.network)
    }
}

/// The place of a job that comes now.
enum Place {
    Free,
    /// That of this waiting job, which belongs to a larger crowd.
    Of(usize),
    None,
}

/// Jobs that wait for a thread.
///
/// - The next job is the one that came first, but an account or a network that was just served goes behind
///   all others that wait. So a job whose account and network have no other waits for one job of each other
///   account and network.
/// - A job that comes while the queue is full takes the place of the newest job of the account or network
///   that has the most jobs in it, if its own still has fewer with this one. So no account or network keeps
///   others out.
/// - A job that has waited for two rounds of the whole queue goes behind nobody any more: a job between a busy
///   account and a busy network would otherwise wait for ever.
///
/// Each call looks at every waiting job once: the queue is short.
#[derive(Debug)]
pub(super) struct FairQueue<J> {
    /// In the order of their arrival.
    waiting: Vec<Waiting<J>>,
    places: usize,
    /// Counts arrivals and services.
    steps: u64,
}

#[derive(Debug)]
struct Waiting<J> {
    job: J,
    share: Share,
    /// The step at which it came.
    arrived: u64,
    /// The step at which it came, or at which its account or network was last served. The lowest is next.
    since: u64,
}

impl<J> FairQueue<J> {
    pub(super) const fn new(places: usize) -> Self {
        Self { waiting: Vec::new(), places, steps: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether a job of this share would be refused now.
    pub(super) fn is_full_for(&self, share: Share) -> bool {
        matches!(self.place(share), Place::None)
    }

    /// Adds a job. Returns the job that lost its place, if any; or the job itself, if it gets no place.
    pub(super) fn push(&mut self, share: Share, job: J) -> Result<Option<J>, J> {
        let displaced = match self.place(share) {
            Place::Free => None,
            Place::Of(index) => Some(self.waiting.remove(index).job),
            Place::None => return Err(job),
        };
        self.steps += 1;
        self.waiting.push(Waiting { job, share, arrived: self.steps, since: self.steps });
        Ok(displaced)
    }

    /// Takes the next job.
    pub(super) fn pop(&mut self) -> Option<J> {
        let (next, _) = self.waiting.iter().enumerate().min_by_key(|(_, waiting)| waiting.since)?;
        let served = self.waiting.remove(next);
        self.steps += 1;
        // A round of a full queue is as many services, each with an arrival.
        let two_rounds = u64::try_from(self.places).unwrap_or(u64::MAX).saturating_mul(4);
        for waiting in &mut self.waiting {
            if waiting.share.overlaps(served.share) && self.steps - waiting.arrived <= two_rounds {
                waiting.since = self.steps;
            }
        }
        Some(served.job)
    }

    fn place(&self, share: Share) -> Place {
        if self.waiting.len() < self.places {
            return Place::Free;
        }
        let mut jobs: HashMap<[u8; 16], usize> = HashMap::new();
        for key in self.waiting.iter().flat_map(|waiting| waiting.share.keys()) {
            *jobs.entry(key).or_default() += 1;
        }
        let crowd = |share: Share| share.keys().filter_map(|key| jobs.get(&key).copied()).max().unwrap_or(0);
        // The last of several maxima is the newest job.
        let largest = self.waiting.iter().enumerate().max_by_key(|(_, waiting)| crowd(waiting.share).max(1));
        match largest {
            Some((index, waiting)) if crowd(waiting.share) > crowd(share) + 1 => Place::Of(index),
            _ => Place::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accounts are named by lower case letters and networks by digits.
    fn share(account: u8, network: u8) -> Share {
        Share { account: Some([account; 16]), network: Some([network; 16]) }
    }

    fn drain(mut queue: FairQueue<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn equal_shares_are_served_in_the_order_of_arrival() {
        let mut queue = FairQueue::new(4);
        for (number, name) in [(1, "one"), (2, "two"), (3, "three")] {
            queue.push(share(b'a' + number, b'0' + number), name).unwrap();
        }
        queue.push(Share::default(), "no share").unwrap();
        assert_eq!(drain(queue), ["one", "two", "three", "no share"]);
    }

    #[test]
    fn an_account_from_many_networks_goes_behind_another() {
        let mut queue = FairQueue::new(8);
        for (network, name) in ["f1", "f2", "f3", "f4"].into_iter().enumerate() {
            queue.push(share(b'f', u8::try_from(network).unwrap()), name).unwrap();
        }
        queue.push(share(b'v', b'9'), "victim").unwrap();
        assert_eq!(drain(queue), ["f1", "victim", "f2", "f3", "f4"]);
    }

    #[test]
    fn a_network_with_many_accounts_goes_behind_another() {
        let mut queue = FairQueue::new(8);
        for (account, name) in ["f1", "f2", "f3", "f4"].into_iter().enumerate() {
            queue.push(share(u8::try_from(account).unwrap(), b'1'), name).unwrap();
        }
        queue.push(share(b'v', b'9'), "victim").unwrap();
        assert_eq!(drain(queue), ["f1", "victim", "f2", "f3", "f4"]);
    }

    /// A flood that refills the queue at once never makes another wait for more than one of its jobs.
    #[test]
    fn under_an_endless_flood_another_waits_for_one_job() {
        let mut queue = FairQueue::new(64);
        let mut network = 0_u8;
        let mut flood = |queue: &mut FairQueue<_>| {
            network = (network + 1) % 50;
            queue.push(share(b'f', network), "flood").is_ok()
        };
        while flood(&mut queue) {}
        for _ in 0..1_000 {
            for _ in 0..3 {
                assert_eq!(queue.pop(), Some("flood"));
                assert!(flood(&mut queue));
                assert!(!flood(&mut queue), "it has most places already");
            }
            assert_eq!(queue.push(share(b'v', b'9'), "victim"), Ok(Some("flood")));
            assert_eq!(queue.pop(), Some("flood"));
            assert!(flood(&mut queue));
            assert_eq!(queue.pop(), Some("victim"));
            while flood(&mut queue) {}
        }
    }

    #[test]
    fn a_second_try_of_one_account_is_served_before_later_comers() {
        let mut queue = FairQueue::new(64);
        queue.push(share(b'v', b'1'), "first").unwrap();
        queue.push(share(b'v', b'1'), "second").unwrap();
        for number in 0..30 {
            queue.push(share(130 + number, 130 + number), "other").unwrap();
        }
        assert_eq!(queue.pop(), Some("first"));
        for number in 30..60 {
            queue.push(share(130 + number, 130 + number), "later").unwrap();
        }
        let order = drain(queue);
        assert_eq!(order.iter().position(|name| *name == "second"), Some(30));
    }

    /// Both its account and its network are kept busy by others, who refill what was served.
    #[test]
    fn between_a_busy_account_and_a_busy_network_a_job_is_served() {
        let mut queue = FairQueue::new(16);
        let mut network = 100_u8;
        let mut refill = |queue: &mut FairQueue<_>, name: &'static str| {
            network = 100 + (network + 1) % 100;
            let share = if name == "account" { share(b'v', network) } else { share(network, b'1') };
            queue.push(share, name).unwrap();
        };
        for _ in 0..2 {
            refill(&mut queue, "account");
            refill(&mut queue, "network");
        }
        queue.push(share(b'v', b'1'), "between").unwrap();
        let mut services = 0;
        loop {
            services += 1;
            match queue.pop() {
                Some("between") => break,
                Some(name) => refill(&mut queue, name),
                None => unreachable!("it waits"),
            }
            assert!(services < 100, "it starves");
        }
    }

    #[test]
    fn a_full_queue_makes_room_at_the_cost_of_the_largest_crowd() {
        let mut queue = FairQueue::new(4);
        for name in ["a1", "a2"] {
            queue.push(share(b'a', b'1'), name).unwrap();
        }
        queue.push(share(b'b', b'2'), "b1").unwrap();
        queue.push(Share::default(), "no share").unwrap();
        assert!(queue.is_full_for(share(b'a', b'9')) && queue.is_full_for(share(b'9', b'1')));
        assert!(queue.is_full_for(share(b'b', b'3')), "two of one account are no larger a crowd");
        assert!(!queue.is_full_for(share(b'c', b'3')));
        assert_eq!(queue.push(share(b'c', b'3'), "c1"), Ok(Some("a2")), "the newest of the crowd");
        assert_eq!(queue.push(share(b'd', b'4'), "d1"), Err("d1"), "nobody has two places");
        assert_eq!(queue.push(Share::default(), "none"), Err("none"));
        assert_eq!((queue.len(), drain(queue)), (4, vec!["a1", "b1", "no share", "c1"]));
    }
}
