//! Known devices over two services that share their limits.

use std::net::Ipv4Addr;

use auth_core::{Auth, Client, LogInError, Mailbox, MemoryStore, Password, Policy, RootSecret, SystemRandom};
use auth_testkit::cheap_hashing;
use tokio::task::JoinSet;

use crate::server::{PATIENCE, SHARED};

const ADA: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery";
const NETWORKS: u32 = 200;

async fn service(store: &MemoryStore, secret: &RootSecret) -> Auth {
    let mut policy = Policy::default();
    policy.hashing = cheap_hashing();
    let limiter = SHARED.limiter().await.patience(PATIENCE);
    Auth::builder(store.clone(), Mailbox::new())
        .root_secret(secret.clone())
        .key_ring(auth_core::KeyRing::generate(&SystemRandom).unwrap())
        .policy(policy)
        .rate_limiter(limiter)
        .build()
        .unwrap()
}

fn from(network: u32) -> Client {
    Client::new(Some(Ipv4Addr::from_bits(0x0a00_0001 + (network << 8)).into()), None)
}

/// Four thousand wrong passwords at both services at once. The owner's device is let in by both at the first try,
/// while and after they come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_at_two_services_keeps_no_known_device_out() {
    // The keys of the limits are derived from the secret: this test shares no bucket with others.
    let (store, secret) = (MemoryStore::new(), RootSecret::generate(&SystemRandom).unwrap());
    let services = [service(&store, &secret).await, service(&store, &secret).await];
    services[0].create_user(ADA, Password::new(PASSWORD), None).await.unwrap();
    let first = services[0].log_in(ADA, Password::new(PASSWORD), &from(NETWORKS)).await.unwrap();
    let owner = from(NETWORKS).with_device_token(&first.device_token.unwrap().expose());
    let mut flood = JoinSet::new();
    for network in 0..NETWORKS {
        let (auth, owner) = (services[network as usize % 2].clone(), owner.clone());
        flood.spawn(async move {
            let mut judged = 0;
            for _ in 0..20 {
                match auth.log_in(ADA, Password::new("not the password"), &from(network)).await {
                    Err(LogInError::InvalidCredentials) => judged += 1,
                    Err(LogInError::RateLimited(_)) => {}
                    answer => panic!("{answer:?}"),
                }
            }
            if network % 20 == 0 {
                auth.log_in(ADA, Password::new(PASSWORD), &owner).await.expect("the owner is let in");
            }
            judged
        });
    }
    assert_eq!(flood.join_all().await.iter().sum::<u32>(), 100, "of 4,000 passwords a hundred are judged");
    for auth in &services {
        let stranger = auth.log_in(ADA, Password::new(PASSWORD), &from(NETWORKS + 1)).await;
        assert!(matches!(stranger, Err(LogInError::RateLimited(_))), "{stranger:?}");
        auth.log_in(ADA, Password::new(PASSWORD), &owner).await.expect("the owner is let in");
    }
}
