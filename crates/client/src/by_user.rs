//! The map that finds what a client keeps of each user it watches. Three look-ups in such maps are made for each change
//! that is told, so its hash is a fast one. That is safe here: its seed differs from process to process, and the keys are
//! the few thousand users that this client's own user watches, not whoever pleases.

use std::collections::HashMap;

use presence::ids::UserId;

/// See the module.
pub(crate) type ByUser<V> = HashMap<UserId, V, foldhash::fast::RandomState>;
