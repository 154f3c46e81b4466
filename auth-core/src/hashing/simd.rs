//! Argon2 in the widest vector instructions that the processor has.

use argon2_rust::params::{Memory, TagLen};
use argon2_rust::{Algorithm, Argon2, Params, Version};

use super::Failed;
use super::hasher::{Hasher, Recipe};

/// The `argon2-rust` crate. It wipes its memory after each hash.
pub(super) struct Simd(argon2_rust::Hasher);

impl From<argon2_rust::Error> for Failed {
    fn from(_: argon2_rust::Error) -> Self {
        Self
    }
}

impl Simd {
    pub(super) fn new() -> Self {
        Self(Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT).hasher())
    }
}

impl Hasher for Simd {
    fn reserve(&mut self, blocks: usize) -> Result<(), Failed> {
        let blocks = u64::try_from(blocks).map_err(|_| Failed)?;
        let params = Params::builder().memory(Memory::kib(blocks)).build()?;
        self.0.set_argon2(Argon2::new(Algorithm::Argon2id, Version::V0x13, params));
        Ok(self.0.reserve()?)
    }

    fn compute(&mut self, recipe: &Recipe<'_>, password: &[u8], output: &mut [u8]) -> Result<(), Failed> {
        let algorithm = match recipe.algorithm {
            argon2::Algorithm::Argon2d => Algorithm::Argon2d,
            argon2::Algorithm::Argon2i => Algorithm::Argon2i,
            argon2::Algorithm::Argon2id => Algorithm::Argon2id,
        };
        let version = match recipe.version {
            argon2::Version::V0x10 => Version::V0x10,
            argon2::Version::V0x13 => Version::V0x13,
        };
        let params = Params::builder()
            .memory(Memory::kib(recipe.params.m_cost().into()))
            .passes(recipe.params.t_cost())
            .lanes(recipe.params.p_cost())
            .threads(1)
            .tag_len(TagLen::bytes(u64::try_from(output.len()).map_err(|_| Failed)?))
            .build()?;
        self.0.set_argon2(Argon2::new(algorithm, version, params));
        let data = recipe.params.data();
        Ok(self.0.hash_into_with_ad(password, recipe.salt, recipe.secret, data, output)?)
    }

    fn shrink(&mut self, blocks: usize) {
        if self.0.reserved_blocks() > blocks {
            self.0.clear();
            // Without memory now there may be some at the next hash, which says so.
            _ = self.reserve(blocks);
        }
    }

    #[cfg(test)]
    fn blocks(&self) -> usize {
        self.0.reserved_blocks()
    }
}
