//! Argon2 itself, in memory that is kept from one hash to the next.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroize;

use super::Failed;
use super::policy::Argon2Engine;
#[cfg(feature = "simd-argon2")]
use super::simd::Simd;

/// Everything that decides an Argon2 hash, except the password.
pub(super) struct Recipe<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) version: Version,
    pub(super) params: &'a Params,
    /// The pepper; empty for none.
    pub(super) secret: &'a [u8],
    pub(super) salt: &'a [u8],
}

/// Computes Argon2, one hash at a time. All implementations give the same output.
pub(super) trait Hasher: Send {
    /// Takes the memory of a hash ahead of it.
    fn reserve(&mut self, blocks: usize) -> Result<(), Failed>;

    /// Fills `output`, whose length goes into the hash.
    fn compute(&mut self, recipe: &Recipe<'_>, password: &[u8], output: &mut [u8]) -> Result<(), Failed>;

    /// Keeps no more than so many blocks.
    fn shrink(&mut self, blocks: usize);

    /// How many blocks are kept.
    #[cfg(test)]
    fn blocks(&self) -> usize;
}

impl dyn Hasher {
    pub(super) fn of(engine: Argon2Engine) -> Box<Self> {
        match engine {
            Argon2Engine::Portable => Box::new(Portable::default()),
            #[cfg(feature = "simd-argon2")]
            Argon2Engine::Simd => Box::new(Simd::new()),
        }
    }
}

/// The `argon2` crate.
///
/// Allocating the blocks for each hash can double its cost, whenever the allocator returns the pages to the
/// system, which must clear them anew (`cargo bench -p auth-core`).
#[derive(Default)]
pub(super) struct Portable {
    pub(super) blocks: Vec<Block>,
}

impl Hasher for Portable {
    fn reserve(&mut self, blocks: usize) -> Result<(), Failed> {
        if let Some(missing) = blocks.checked_sub(self.blocks.len()) {
            self.blocks.try_reserve_exact(missing).map_err(|_| Failed)?;
            self.blocks.resize(blocks, Block::new());
        }
        Ok(())
    }

    fn compute(&mut self, recipe: &Recipe<'_>, password: &[u8], output: &mut [u8]) -> Result<(), Failed> {
        let &Recipe { algorithm, version, params, secret, salt } = recipe;
        self.reserve(params.block_count())?;
        let argon2 = Argon2::new_with_secret(secret, algorithm, version, params.clone())?;
        argon2.hash_password_into_with_memory(password, salt, output, self.blocks.as_mut_slice())?;
        if params.t_cost() == 1 {
            // After a single pass the first blocks are a fast hash of the password; a second pass
            // overwrites them with blocks that cost a whole pass each.
            self.blocks.iter_mut().zeroize();
        }
        Ok(())
    }

    fn shrink(&mut self, blocks: usize) {
        self.blocks.truncate(blocks);
        self.blocks.shrink_to(blocks);
    }

    #[cfg(test)]
    fn blocks(&self) -> usize {
        self.blocks.capacity()
    }
}
