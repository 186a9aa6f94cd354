//! Friend lists as a backend edits them (R9.1): one way or both ways, friend by friend. Both faces of the administration
//! use it.

use std::collections::{HashMap, HashSet};

use presence::ids::{UserId, UserKey};
use presence_node::Unavailable;

use crate::service::Service;

/// What to do with the friends named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// Add them.
    Add,
    /// Take them off.
    Remove,
}

/// Whose lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ways {
    /// The owner's alone.
    One,
    /// The friend's, too.
    Both,
}

/// What came of one friend named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As asked; or it was so before.
    Done,
    /// No such account, and the app does not make one of it (R1.2).
    NoSuchAccount,
    /// The owner itself.
    Oneself,
    /// The owner's list is full. Nothing was changed.
    ListFull,
    /// The friend's list is full. Nothing was changed.
    OthersListFull,
    /// To be taken off, and not there.
    NotFriends,
}

/// Edits the list of `owner`; an outcome for each name, in order. `None`: the owner has no account.
pub async fn edit(
    service: &Service,
    owner: UserKey,
    names: &[&str],
    edit: Edit,
    ways: Ways,
) -> Result<Option<Vec<Outcome>>, Unavailable> {
    let friends: Vec<Option<UserId>> = names.iter().map(|name| UserId::new(name).ok()).collect();
    let mut seen = HashSet::new();
    let mut wanted: Vec<UserId> = friends.iter().copied().flatten().collect();
    wanted.retain(|friend| *friend != owner.user && seen.insert(*friend));
    let outcomes = match edit {
        Edit::Add => add(service, owner, &wanted, ways).await?,
        Edit::Remove => remove(service, owner, &wanted, ways).await?,
    };
    Ok(outcomes.map(|outcomes| {
        friends
            .into_iter()
            .map(|friend| match friend {
                Some(friend) if friend == owner.user => Outcome::Oneself,
                Some(friend) => outcomes.get(&friend).copied().unwrap_or(Outcome::NoSuchAccount),
                None => Outcome::NoSuchAccount,
            })
            .collect()
    }))
}

type Outcomes = Option<HashMap<UserId, Outcome>>;

async fn add(
    service: &Service,
    owner: UserKey,
    wanted: &[UserId],
    ways: Ways,
) -> Result<Outcomes, Unavailable> {
    let app = owner.app;
    let registers = service
        .live
        .app(app)
        .is_some_and(|app| app.settings.auto_register_on_mention);
    let mut outcomes = HashMap::new();
    let mut there = wanted.to_vec();
    if registers {
        // Before anybody is registered: a call that is refused changes nothing.
        let known = service.admin.look(app, vec![owner.user]).await?;
        if known.into_iter().flatten().next().is_none() {
            return Ok(None);
        }
        for friend in wanted {
            let friend = UserKey { app, user: *friend };
            if !service.admin.import_account(friend).await {
                return Err(Unavailable);
            }
        }
    } else {
        let looked = service.admin.look(app, wanted.to_vec()).await?;
        there = wanted
            .iter()
            .zip(looked)
            .filter_map(|(friend, found)| found.map(|_| *friend))
            .collect();
    }
    let Some(edited) = service
        .admin
        .edit_friends(owner, there.clone(), Vec::new())
        .await?
    else {
        return Ok(None);
    };
    for friend in there {
        let full = edited.no_room.contains(&friend);
        outcomes.insert(friend, if full { Outcome::ListFull } else { Outcome::Done });
    }
    if ways == Ways::One {
        return Ok(Some(outcomes));
    }
    let mut back_out = Vec::new();
    for (friend, outcome) in outcomes
        .iter_mut()
        .filter(|(_, outcome)| **outcome == Outcome::Done)
    {
        let other = UserKey { app, user: *friend };
        let back = service
            .admin
            .edit_friends(other, vec![owner.user], Vec::new())
            .await?;
        match back {
            Some(back) if back.no_room.is_empty() => {}
            Some(_) => *outcome = Outcome::OthersListFull,
            None => *outcome = Outcome::NoSuchAccount, // deleted in between
        }
        if *outcome != Outcome::Done && edited.added.contains(friend) {
            back_out.push(*friend);
        }
    }
    if !back_out.is_empty() {
        service.admin.edit_friends(owner, Vec::new(), back_out).await?;
    }
    Ok(Some(outcomes))
}

async fn remove(
    service: &Service,
    owner: UserKey,
    wanted: &[UserId],
    ways: Ways,
) -> Result<Outcomes, Unavailable> {
    let Some(edited) = service
        .admin
        .edit_friends(owner, Vec::new(), wanted.to_vec())
        .await?
    else {
        return Ok(None);
    };
    let mut outcomes = HashMap::new();
    for friend in wanted {
        let mut was_there = edited.removed.contains(friend);
        if ways == Ways::Both {
            let other = UserKey {
                app: owner.app,
                user: *friend,
            };
            let back = service
                .admin
                .edit_friends(other, Vec::new(), vec![owner.user])
                .await?;
            was_there |= back.is_some_and(|back| !back.removed.is_empty());
        }
        let outcome = if was_there {
            Outcome::Done
        } else {
            Outcome::NotFriends
        };
        outcomes.insert(*friend, outcome);
    }
    Ok(Some(outcomes))
}
