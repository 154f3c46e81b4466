//! Argon2, computed in memory that one thread reuses for every hash.

use argon2::{Argon2, Block};
use zeroize::Zeroize;

use super::Failed;

/// The memory of one thread.
///
/// Allocating the blocks for each hash can double its cost: an allocator may return the pages to the
/// system, which must clear them before the next hash (`cargo bench -p auth-core`).
#[derive(Default)]
pub(super) struct Memory {
    pub(super) blocks: Vec<Block>,
}

impl Memory {
    /// Takes the memory of a hash before it is computed.
    pub(super) fn reserve(&mut self, blocks: usize) -> Result<(), Failed> {
        if let Some(missing) = blocks.checked_sub(self.blocks.len()) {
            self.blocks.try_reserve_exact(missing).map_err(|_| Failed)?;
            self.blocks.resize(blocks, Block::new());
        }
        Ok(())
    }

    /// Fills `output`, whose length is an input of the hash.
    pub(super) fn compute(
        &mut self,
        argon2: &Argon2<'_>,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), Failed> {
        self.reserve(argon2.params().block_count())?;
        argon2.hash_password_into_with_memory(password, salt, output, self.blocks.as_mut_slice())?;
        if argon2.params().t_cost() == 1 {
            // After a single pass the first blocks are a fast hash of the password; a second pass
            // overwrites them with blocks that cost a whole pass each.
            self.blocks.iter_mut().zeroize();
        }
        Ok(())
    }

    /// Returns all memory above this number of blocks to the allocator.
    pub(super) fn shrink(&mut self, blocks: usize) {
        self.blocks.truncate(blocks);
        self.blocks.shrink_to(blocks);
    }
}
