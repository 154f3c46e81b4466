//! The guarantees of the design that the model watches, by name.

/// A guarantee. Each has a bit in [`State::broken`](crate::state::State).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Guarantee {
    /// 1: all answers to one parent carry the same child, which is or was in the store, and no consumed
    /// generation becomes current again.
    OneLiveChild,
    /// 2: a consumed token that is presented later than the leeway ends every session there is, and none
    /// of them refreshes again.
    ReuseKills,
    /// 3: honest tabs are never taken for a thief nor logged out, and forged tokens change nothing.
    NoFalseKill,
    /// 4: a mailed link has its effect once.
    Once,
    /// 5: after a reset no older session lives and the new password stays.
    ResetIsABarrier,
    /// 7: nothing lives past its absolute expiry.
    Lifetime,
    /// 14: what clean-up deleted would have been refused anyway.
    CleanUpIsNeutral,
    /// A log-out with any token of a live session ends it, and it never refreshes again.
    LogOutIsFinal,
}

impl Guarantee {
    pub(crate) fn bit(self) -> u16 {
        1 << (self as u16)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OneLiveChild => "1 one live child",
            Self::ReuseKills => "2 reuse kills",
            Self::NoFalseKill => "3 no false kill",
            Self::Once => "4 once",
            Self::ResetIsABarrier => "5 reset is a barrier",
            Self::Lifetime => "7 lifetime",
            Self::CleanUpIsNeutral => "14 clean-up is neutral",
            Self::LogOutIsFinal => "log-out is final",
        }
    }
}
