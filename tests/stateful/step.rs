//! What can be done, and what must come of it.

/// One operation. Sessions, links and generations are named by their age, addresses and passwords by
/// their number.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Register { who: usize, password: usize },
    Resend { who: usize },
    Forgot { who: usize },
    Verify { link: usize },
    Reset { link: usize, password: usize },
    LogIn { who: usize, password: usize },
    Refresh { session: usize, back: usize },
    Restore { session: usize, back: usize },
    LogOut { session: usize, back: usize },
    Revoke { session: usize },
    LogOutEverywhere { who: usize },
    ChangePassword { session: usize, current: usize, new: usize },
    ChangeEmail { session: usize, to: usize, current: usize },
    Confirm { link: usize },
    Disable { who: usize },
    Enable { who: usize },
    Delete { who: usize },
    Wait { seconds: u64 },
    CleanUp,
}

/// The answer to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// A session begins, or continues with the token of this generation.
    Session {
        generation: u32,
    },
    InvalidCredentials,
    NotVerified,
    InvalidToken,
    WrongPassword,
    SessionEnded,
    NothingToEnd,
    /// It is the user's address already.
    Unchanged,
    /// Another user has the address.
    Taken,
    NotFound,
}

/// What a step mails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mailed {
    VerifyLink,
    ResetLink,
    AlreadyRegistered,
    PasswordChanged,
    SessionsEnded,
    UnknownDevice,
    ConfirmLink,
    /// To the old address and to the new one.
    EmailChanged,
}
