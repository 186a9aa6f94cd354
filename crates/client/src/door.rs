//! The way of commands from the application's threads to the session: the [`Door`] they enter by, and the [`Inbox`] from which
//! the session takes them.
//!
//! Not a channel: whether a client still takes calls is behind a lock anyway, and the session takes all that wait at once.
//! So callers and session meet once a batch, and the two queues they swap need no allocation but for a burst.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use presence_protocol::errors::code;

use crate::api::CallError;
use crate::client::ClosedFn;
use crate::session::Command;
use crate::visible::lock;

/// Commands there is room for while nothing happens, in each of the two queues; more was for a burst.
const IDLE_COMMANDS: usize = 4;

/// Where commands enter. What enters is in the order of acceptance, and nothing follows a close.
pub(crate) struct Door {
    state: Mutex<State>,
}

struct State {
    /// Bounded by whoever enters: by the results that may be outstanding; of changes of network one waits at most.
    commands: VecDeque<Command>,
    open: Open,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Yes,
    Failed,
    Closing,
}

/// The right to send commands, while nobody else does.
pub(crate) struct Entered<'a>(MutexGuard<'a, State>);

impl Door {
    /// A door and the inbox behind it.
    pub(crate) fn new() -> (Arc<Door>, Inbox) {
        let door = Arc::new(Door {
            state: Mutex::new(State {
                commands: VecDeque::new(),
                open: Open::Yes,
            }),
        });
        let inbox = Inbox {
            door: Arc::clone(&door),
            taken: VecDeque::new(),
        };
        (door, inbox)
    }

    /// `FAILED` or `CLOSED` if the client takes no calls any more.
    pub(crate) fn enter(&self) -> Result<Entered<'_>, CallError> {
        let state = lock(&self.state);
        match state.open {
            Open::Yes => Ok(Entered(state)),
            Open::Failed => Err(CallError::new(
                code::FAILED,
                "an internal error ended this client; destroy it",
            )),
            Open::Closing => Err(closing()),
        }
    }

    /// Whether the last command was sent.
    pub(crate) fn is_closing(&self) -> bool {
        lock(&self.state).open == Open::Closing
    }

    /// How many commands wait to be taken.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.state).commands.len()
    }

    /// Sends the last command. Refuses by handing `closed` back, if that was done before.
    pub(crate) fn close(&self, closed: Option<ClosedFn>) -> Result<(), Option<ClosedFn>> {
        let mut state = lock(&self.state);
        if state.open == Open::Closing {
            return Err(closed);
        }
        state.open = Open::Closing;
        state.commands.push_back(Command::Close { closed });
        Ok(())
    }
}

impl Entered<'_> {
    /// Sends a command.
    pub(crate) fn push(&mut self, command: Command) {
        self.0.commands.push_back(command);
    }
}

/// Why a closing client refuses.
pub(crate) fn closing() -> CallError {
    CallError::new(code::CLOSED, "the client is closing")
}

/// The session's side. Once it is dropped the client takes nothing any more.
pub(crate) struct Inbox {
    door: Arc<Door>,
    taken: VecDeque<Command>,
}

impl Inbox {
    /// The next command, in the order of acceptance, if there is one now.
    pub(crate) fn next(&mut self) -> Option<Command> {
        if self.taken.is_empty() {
            let mut state = lock(&self.door.state);
            // For nothing they stay as they are, so that a queue that was large is seen by `tidy`.
            if !state.commands.is_empty() {
                std::mem::swap(&mut state.commands, &mut self.taken);
            }
        }
        self.taken.pop_front()
    }

    /// The client failed: from now on calls are refused; closing is not.
    pub(crate) fn fail(&self) {
        let mut state = lock(&self.door.state);
        if state.open == Open::Yes {
            state.open = Open::Failed;
        }
    }

    /// Gives back the memory of a burst: to be called when nothing is left to do.
    pub(crate) fn tidy(&mut self) {
        // The other queue, if that is large too, comes here with the next command.
        if self.taken.is_empty() && self.taken.capacity() > IDLE_COMMANDS {
            self.taken = VecDeque::new();
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let left = {
            let mut state = lock(&self.door.state);
            state.open = Open::Closing;
            std::mem::take(&mut state.commands)
        };
        // Outside of the lock: what waits may hold the client. Empty, unless the runtime ended under the session.
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ListenerKind;

    fn listener(number: usize) -> Command {
        Command::Unlisten(KINDS[number % KINDS.len()])
    }

    const KINDS: [ListenerKind; 3] = [
        ListenerKind::Log,
        ListenerKind::StatusChanged,
        ListenerKind::UserSigExpired,
    ];

    fn shown(command: &Command) -> String {
        match command {
            Command::Unlisten(kind) => format!("{kind:?}"),
            Command::Close { .. } => "close".to_owned(),
            _ => "another".to_owned(),
        }
    }

    fn taken(inbox: &mut Inbox) -> Vec<String> {
        std::iter::from_fn(|| inbox.next())
            .map(|command| shown(&command))
            .collect()
    }

    fn send(door: &Door, command: Command) -> i32 {
        match door.enter() {
            Ok(mut entered) => {
                entered.push(command);
                code::OK
            }
            Err(error) => error.code,
        }
    }

    #[test]
    fn commands_come_in_their_order_whenever_they_are_taken_and_nothing_follows_a_close() {
        let (door, mut inbox) = Door::new();
        assert!(inbox.next().is_none());
        for number in 0..3 {
            assert_eq!(send(&door, listener(number)), code::OK);
        }
        assert_eq!(inbox.next().map(|first| shown(&first)).as_deref(), Some("Log"));
        assert_eq!(send(&door, listener(0)), code::OK);
        assert!(door.close(None).is_ok() && door.close(None).is_err());
        assert_eq!(send(&door, listener(1)), code::CLOSED);
        let rest = ["StatusChanged", "UserSigExpired", "Log", "close"];
        assert_eq!(taken(&mut inbox), rest);
    }

    #[test]
    fn a_failed_client_takes_only_its_close_and_one_without_a_session_nothing() {
        let (door, mut inbox) = Door::new();
        inbox.fail();
        assert_eq!(send(&door, listener(0)), code::FAILED);
        assert!(door.close(None).is_ok());
        assert_eq!(taken(&mut inbox), ["close"]);

        let (door, inbox) = Door::new();
        send(&door, listener(0));
        drop(inbox);
        assert_eq!(send(&door, listener(0)), code::CLOSED);
        assert!(lock(&door.state).commands.is_empty());
    }

    #[test]
    fn the_memory_of_a_burst_is_given_back() {
        let (door, mut inbox) = Door::new();
        // Twice, so that both queues were large.
        for _ in 0..2 {
            for number in 0..1_000 {
                send(&door, listener(number));
            }
            assert_eq!(taken(&mut inbox).len(), 1_000);
        }
        for _ in 0..2 {
            inbox.tidy();
            send(&door, listener(0));
            assert_eq!(taken(&mut inbox).len(), 1);
        }
        inbox.tidy();
        let rooms = [inbox.taken.capacity(), lock(&door.state).commands.capacity()];
        assert!(rooms.iter().all(|room| *room <= IDLE_COMMANDS), "{rooms:?}");
    }
}
