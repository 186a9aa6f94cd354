//! Accounts that go (R1.5), or turn out never to have been (R1.2).

use presence::ids::UserKey;
use presence::time::Now;

use super::{MemoryEngine, Message};
use crate::engine::{Output, Tag};

impl MemoryEngine {
    /// R1.5: the account goes; what was told of it stays known, so that a later one of its name is newer.
    pub(super) fn delete(&mut self, key: UserKey, at: Now, tag: Option<Tag>) {
        self.kick(key, at, tag);
        if self.records.of(&key).is_none() {
            return;
        }
        self.unmake(key, at);
        for shard in (0..self.shards).filter(|shard| *shard != self.index) {
            self.mesh.send(shard, Message::Deleted { user: key });
        }
        self.forget_subscriptions_to(key, at);
    }

    /// R1.5: the subscriptions to a deleted account, and those that are about to be made. Rare, so there is no index of
    /// them.
    pub(super) fn forget_subscriptions_to(&mut self, deleted: UserKey, at: Now) {
        self.forget_gathered(&deleted);
        let mut owners: Vec<UserKey> = self
            .records
            .iter()
            .filter(|(_, record)| record.key.app == deleted.app && record.list.contains(&deleted.user))
            .map(|(_, record)| record.key)
            .collect();
        // In an order that does not depend on who came when.
        owners.sort_unstable();
        for user in owners {
            self.step(
                user,
                at,
                false,
                |record, context| {
                    let change = record.list.unsubscribe(&[deleted.user]);
                    record.list.lift(context.floor.0);
                    ((change, record.list.generation()), false)
                },
                |engine, (change, generation)| {
                    engine.outputs.push_back(Output::ListChanged {
                        user,
                        change,
                        generation,
                    });
                },
            );
        }
    }

    /// R1.2: an account exists from its first successful login; a refused one makes none, in particular not one that was
    /// deleted and whose devices return with revoked UserSigs (R1.5).
    pub(super) fn unmake(&mut self, key: UserKey, at: Now) {
        let Some(id) = self.records.id_of(&key) else {
            return;
        };
        let Some(record) = self.records.remove(id) else {
            return;
        };
        self.timers.remove(&(record.deadline, key));
        self.count_status(key.app, Some(record.user.presence().status), None);
        self.marks.insert(key, record.user.mark());
        if let Some(keeping) = &mut self.keeping {
            keeping.removed(&record, id.place(), at.mono);
        }
    }
}
