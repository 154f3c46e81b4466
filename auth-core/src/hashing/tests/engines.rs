//! Every engine gives the same hashes, and the passes are calibrated on any of them.

use super::*;
use crate::hashing::hasher::{Hasher, Portable, Recipe};

const ENGINES: [Argon2Engine; 2] = [Argon2Engine::Portable, Argon2Engine::Simd];

#[derive(Debug, Clone)]
struct Input {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    secret: Vec<u8>,
    password: Vec<u8>,
    salt: Vec<u8>,
    output: usize,
}

fn inputs() -> impl Strategy<Value = Input> {
    let algorithm = prop::sample::select(vec![Algorithm::Argon2d, Algorithm::Argon2i, Algorithm::Argon2id]);
    let version = prop::sample::select(vec![Version::V0x10, Version::V0x13]);
    let bytes = |lengths| prop::collection::vec(any::<u8>(), lengths);
    let costs = (1..=4_u32).prop_flat_map(|lanes| (8 * lanes..=300, 1..=4_u32, Just(lanes)));
    let data = prop_oneof![Just(Vec::new()), bytes(1..=32)];
    let secret = prop_oneof![Just(Vec::new()), bytes(1..=100)];
    ((algorithm, version, costs, data), (secret, bytes(0..=300), bytes(8..=64), 4..=64_usize)).prop_map(
        |((algorithm, version, (m, t, p), data), (secret, password, salt, output))| {
            let params = argon2::ParamsBuilder::new()
                .m_cost(m)
                .t_cost(t)
                .p_cost(p)
                .data(argon2::AssociatedData::new(&data).unwrap())
                .build()
                .unwrap();
            Input { algorithm, version, params, secret, password, salt, output }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// In memory that the inputs before have used.
    #[test]
    fn a_thousand_random_inputs_have_one_hash(input in inputs()) {
        thread_local! {
            static HASHERS: std::cell::RefCell<[Box<dyn Hasher>; 2]> =
                std::cell::RefCell::new(ENGINES.map(<dyn Hasher>::of));
        }
        let Input { algorithm, version, params, secret, password, salt, output } = input;
        let recipe = Recipe { algorithm, version, params: &params, secret: &secret, salt: &salt };
        let [portable, simd] = HASHERS.with_borrow_mut(|hashers| {
            hashers.each_mut().map(|hasher| {
                let mut hash = vec![0; output];
                hasher.compute(&recipe, &password, &mut hash).unwrap();
                hash
            })
        });
        prop_assert_eq!(portable, simd);
    }
}

/// There its first blocks are a fast hash of the password.
#[test]
fn a_single_pass_leaves_nothing_in_memory() {
    let mut hasher = Portable::default();
    for (passes, clear) in [(2, false), (1, true)] {
        let params = Params::new(256, passes, 1, None).unwrap();
        let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
        let recipe = Recipe { algorithm, version, params: &params, secret: &[], salt: &[0; SALT_BYTES] };
        hasher.compute(&recipe, b"password", &mut [0; 32]).unwrap();
        assert_eq!(hasher.blocks.iter().flat_map(AsRef::as_ref).all(|word| *word == 0), clear, "{passes}");
    }
}

#[tokio::test]
async fn each_engine_takes_its_memory_at_the_start() {
    for engine in ENGINES {
        let pool = pool_with(&HashingPolicy { engine, ..policy() }, None);
        assert_eq!(pool.submit(|engine| Ok(engine.buffer_blocks())).await.unwrap(), 256, "{engine:?}");
    }
}

#[tokio::test]
async fn each_engine_verifies_what_the_other_made() {
    let pepper = || Pepper::new(1, OLD).unwrap();
    for pepper in [None, Some(pepper())] {
        let pools = ENGINES.map(|engine| pool_with(&HashingPolicy { engine, ..policy() }, pepper.clone()));
        for (one, other) in [(&pools[0], &pools[1]), (&pools[1], &pools[0])] {
            let hash = one.hash(&Password::new("password")).await.unwrap();
            assert!(matches!(verify(other, "password", &hash).await, Verified::Match));
            assert!(matches!(verify(other, "passwort", &hash).await, Verified::NoMatch));
        }
    }
    // From outside of both, and at full memory: the reference implementation's test.c.
    let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let pool =
        pool_with(&HashingPolicy { engine: Argon2Engine::Simd, max_memory_kib: 65_536, ..policy() }, None);
    upgraded(&pool, "password", &stored(text)).await;
    assert_eq!(pool.submit(|engine| Ok(engine.buffer_blocks())).await.unwrap(), 256, "shrunk again");
}

#[test]
fn the_passes_are_the_most_that_fit_into_the_time() {
    for engine in ENGINES {
        let policy = HashingPolicy { engine, ..policy() };
        let found = policy.calibrate(Duration::ZERO).unwrap();
        assert_eq!(found.policy, HashingPolicy { iterations: 1, ..policy.clone() });
        let found = policy.calibrate(Duration::from_hours(1)).unwrap();
        assert_eq!(found.policy.iterations, policy.max_iterations);
        let target = found.measured / 2;
        let found = policy.calibrate(target).unwrap();
        assert!(found.measured <= target || found.policy.iterations == 1, "{found:?} for {target:?}");
    }
}

/// On a machine where a pass takes so long, and some more once it was measured. Gives the numbers that were measured, of
/// which the last is what was found.
fn fitted(passes: f64, throttled: f64) -> Vec<u32> {
    let pass = Duration::from_micros(15_625);
    // The floor is five passes.
    let policy = HashingPolicy { memory_kib: 7_168, floor: CostFloor::Enforced, ..policy() };
    let mut measured = Vec::new();
    let found = policy.fit(pass.mul_f64(passes), |iterations| {
        let slower = if measured.is_empty() { 1.0 } else { throttled };
        measured.push(iterations);
        let policy = HashingPolicy { iterations, ..policy.clone() };
        Ok(Calibration { policy, measured: (pass * iterations).mul_f64(slower) })
    });
    assert_eq!(found.unwrap().policy.iterations, *measured.last().unwrap());
    measured
}

#[test]
fn the_passes_that_fit_are_found_by_few_measurements() {
    assert_eq!(fitted(2.0, 1.0), [5], "the floor");
    assert_eq!(fitted(5.0, 1.0), [5]);
    assert_eq!(fitted(8.0, 1.0), [5, 8], "what takes all of the time fits");
    assert_eq!(fitted(8.9, 1.0), [5, 8]);
    assert_eq!(fitted(8.0, 1.3), [5, 8, 7, 6]);
    assert_eq!(fitted(6.0, 2.0), [5, 6, 5], "never below the floor");
}

#[test]
fn no_time_is_short_enough_to_go_below_the_floor() {
    let enforced = |memory_kib| HashingPolicy {
        memory_kib,
        max_memory_kib: 65_536,
        floor: CostFloor::Enforced,
        ..policy()
    };
    for (memory_kib, passes) in [(7_168, 5), (12_288, 3), (20_000, 2), (47_104, 1)] {
        let found = enforced(memory_kib).calibrate(Duration::from_nanos(1)).unwrap();
        assert_eq!((found.policy.memory_kib, found.policy.iterations), (memory_kib, passes));
        assert!(found.measured > Duration::from_nanos(1));
    }
    assert!(matches!(enforced(7_167).calibrate(Duration::from_secs(1)), Err(HashingError::Policy(_))));
}
